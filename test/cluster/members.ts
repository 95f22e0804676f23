import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Child,
  freePorts,
  requirePeer,
  startChild,
  untilAnswers,
  withRetry,
} from '../conformance/peers.ts'

/** Short, and long enough for a loaded machine. */
const TIMING = ['--heartbeat-interval', '50', '--election-timeout', '500']

/** A member of an etcd cluster, in a process of its own. */
export class Member {
  readonly url: string
  readonly #path: string
  readonly #args: readonly string[]
  #child: Child | undefined

  constructor(path: string, url: string, args: readonly string[]) {
    this.#path = path
    this.url = url
    this.#args = args
  }

  /** Starts it, or starts it again with the data that it had. */
  start(): void {
    this.#child = startChild(this.#path, this.#args)
  }

  /** Resolves when it serves. */
  async ready(): Promise<void> {
    if (this.#child === undefined) throw new Error('not started')
    await untilAnswers(this.#child, async () => (await fetch(`${this.url}/health`)).ok)
  }

  /** SIGSTOP. */
  pause(): void {
    if (this.#child !== undefined) process.kill(this.#child.pid, 'SIGSTOP')
  }

  /** SIGCONT. */
  resume(): void {
    if (this.#child !== undefined) process.kill(this.#child.pid, 'SIGCONT')
  }

  /** Goes on where it was stopped or killed. */
  mend(): void {
    this.resume()
    if (this.#child === undefined) this.start()
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#child?.end()
    this.#child = undefined
  }
}

export interface Members {
  readonly members: readonly Member[]
  readonly urls: readonly string[]
  stop(): Promise<void>
}

/** Starts an etcd cluster on free loopback ports, in a temporary directory. */
export function startMembers(count: 1 | 3, args: readonly string[] = []): Promise<Members> {
  const path = requirePeer('etcd')
  return withRetry(async () => {
    const ports = await freePorts(2 * count)
    const directory = await mkdtemp(join(tmpdir(), 'ktree-etcd-'))
    const names = ports.slice(0, count).map((_, i) => `m${i}`)
    const peer = (i: number): string => `http://127.0.0.1:${ports[count + i]}`
    const cluster = names.map((name, i) => `${name}=${peer(i)}`).join(',')
    const members = names.map((name, i) => {
      const url = `http://127.0.0.1:${ports[i]}`
      return new Member(path, url, [
        ...['--name', name, '--data-dir', join(directory, name), '--log-level', 'error'],
        ...['--listen-client-urls', url, '--advertise-client-urls', url],
        ...['--listen-peer-urls', peer(i), '--initial-advertise-peer-urls', peer(i)],
        ...['--initial-cluster', cluster, '--initial-cluster-state', 'new'],
        ...TIMING,
        ...args,
      ])
    })
    const stop = async (): Promise<void> => {
      await Promise.all(members.map((member) => member.kill()))
      await rm(directory, { recursive: true, force: true })
    }
    try {
      for (const member of members) member.start()
      await Promise.all(members.map((member) => member.ready()))
    } catch (error) {
      await stop()
      throw error
    }
    return { members, urls: members.map(({ url }) => url), stop }
  })
}
