import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeDirectory, removeDirectory, sleep, within } from '../../children.ts'
import { RespConnection } from '../../resp-connection.ts'
import { ktreeCommand } from '../launch.ts'
import { type Finding, type MachineTrial, withClient } from './support.ts'

const EXPIRY_S = 3600
/** How late an expiry may be told after a jump. */
const LATE_MS = 1000
const LONGEST_MS = 65_000
const ASLEEP_MS = 5000

/** Debian's library that lies to programs about the time; the wrapper cannot change its mind. */
function findFaketime(): string | undefined {
  for (const place of ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu']) {
    try {
      const path = join(place, 'faketime')
      if (readdirSync(path).includes('libfaketime.so.1')) return join(path, 'libfaketime.so.1')
    } catch {
      // Not there.
    }
  }
  return undefined
}

/** Waits for an event that a watcher is told. @returns after how long; undefined if it is not */
function told(watcher: RespConnection, mark: string, from: number): Promise<number | undefined> {
  const event = new Promise<number>((resolve) => {
    watcher.socket.on('data', (chunk) => {
      if (chunk.toString('latin1').includes(mark)) resolve(performance.now() - from)
    })
  })
  return within(LONGEST_MS, 'the event', event).catch(() => undefined)
}

function noteLateness(finding: Finding, late: number | undefined): void {
  if (late === undefined) finding.note(`nothing was told in ${LONGEST_MS / 1000} s`, false)
  else finding.note(`the expiry was told after ${Math.round(late)} ms`, late <= LATE_MS)
}

async function jump(finding: Finding): Promise<void> {
  const library = findFaketime()
  if (library === undefined) {
    finding.note('left out: libfaketime is missing (apt-get install faketime)')
    return
  }
  const directory = makeDirectory()
  const offset = join(directory, 'offset')
  writeFileSync(offset, '+0')
  const lie = [
    `LD_PRELOAD='${library}' FAKETIME_TIMESTAMP_FILE='${offset}' FAKETIME_NO_CACHE=1`,
    'FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1',
  ].join(' ')
  const command = ktreeCommand('--timeout 300').replace(/^exec/, `exec env ${lie}`)
  try {
    await withClient({ command }, async (client, { port }) => {
      const watcher = await RespConnection.open(port)
      const idle = await RespConnection.open(port)
      let closed = false
      idle.socket.once('close', () => {
        closed = true
      })
      await client.ask('SET', 'k', 'v', 'EX', EXPIRY_S)
      await watcher.ask('KWATCH', '/k')
      await sleep(500)
      const started = performance.now()
      writeFileSync(offset, '+1d')
      noteLateness(finding, await told(watcher, 'expire', started))
      await sleep(Math.max(0, 2500 - (performance.now() - started)))
      finding.note(closed ? 'an idle client was cut off' : 'an idle client stays', !closed)
      watcher.close()
      idle.close()
    })
  } finally {
    removeDirectory(directory)
  }
}

async function asleep(finding: Finding): Promise<void> {
  await withClient({ command: ktreeCommand() }, async (client, { port, child }) => {
    const watcher = await RespConnection.open(port)
    await client.ask('SET', 'k', 'v', 'PX', ASLEEP_MS / 2)
    await watcher.ask('KWATCH', '/k')
    process.kill(child.pid, 'SIGSTOP')
    await sleep(ASLEEP_MS)
    process.kill(child.pid, 'SIGCONT')
    noteLateness(finding, await told(watcher, 'expire', performance.now()))
    watcher.close()
  })
}

export const clockTrials: readonly MachineTrial[] = [
  { name: 'jump', what: 'the clock jumps a day ahead; a key had an hour left', run: jump },
  { name: 'asleep', what: 'the process is stopped for 5 s (SIGSTOP)', run: asleep },
]
