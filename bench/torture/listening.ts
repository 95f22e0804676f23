import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** The state of a listening socket in /proc/net/tcp. */
const LISTENING = '0A'

/**
 * Whether a process, or one that it has started, listens on a TCP port; another program may have taken
 * the port meanwhile, and would answer in its place.
 *
 * @returns undefined if the system does not tell
 */
export function listensOn(pid: number, port: number): boolean | undefined {
  const inodes = new Set<string>()
  try {
    for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
      for (const line of readFileSync(table, 'latin1').split('\n').slice(1)) {
        const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/)
        if (state !== LISTENING || Number.parseInt(local.split(':')[1], 16) !== port) continue
        inodes.add(`socket:[${inode}]`)
      }
    }
    readdirSync('/proc/self/fd')
  } catch {
    return undefined
  }
  return familyOf(pid).some((each) => openFiles(each).some((file) => inodes.has(file)))
}

/** A process and all that it has started, as far as they still run. */
function familyOf(pid: number): number[] {
  const family = [pid]
  // The list grows while it is gone through.
  for (const each of family) {
    for (const task of list(`/proc/${each}/task`)) {
      try {
        const children = readFileSync(`/proc/${each}/task/${task}/children`, 'latin1')
        family.push(...children.split(' ').filter(Boolean).map(Number))
      } catch {
        // It has ended.
      }
    }
  }
  return family
}

function openFiles(pid: number): string[] {
  return list(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return ''
    }
  })
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
