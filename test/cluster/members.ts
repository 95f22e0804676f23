import { existsSync } from 'node:fs'
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
  /** Tells its health and its metrics, without TLS. */
  readonly health: string
  /** The directory with its data. */
  readonly data: string
  readonly #path: string
  readonly #args: readonly string[]
  #child: Child | undefined

  constructor(
    path: string,
    { url, health, data }: Pick<Member, 'url' | 'health' | 'data'>,
    args: readonly string[],
  ) {
    this.#path = path
    this.url = url
    this.health = health
    this.data = data
    this.#args = ['--data-dir', data, ...args]
  }

  /** Starts it, or starts it again with the data that it had. */
  start(): void {
    this.#child = startChild(this.#path, this.#args)
  }

  /** Resolves when it serves. */
  async ready(): Promise<void> {
    if (this.#child === undefined) throw new Error('not started')
    await untilAnswers(this.#child, async () => (await fetch(`${this.health}/health`)).ok)
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

/** Memory where there is some to be had, because every batch waits for etcd's fsync. */
const place = (): string => (existsSync('/dev/shm') ? '/dev/shm' : tmpdir())

export interface Members {
  readonly members: readonly Member[]
  readonly urls: readonly string[]
  /** Ends the lease of a node, as if it had run out. @param address of the node, as it tells it */
  endLeaseOf(address: string): Promise<void>
  stop(): Promise<void>
}

/** Asks a member through its JSON gateway, in which keys and values are base64. */
export async function ask(
  url: string,
  path: string,
  body: object,
  token?: string,
): Promise<Answer> {
  const answer = await fetch(`${url}/v3/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: token === undefined ? {} : { Authorization: token },
  })
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`)
  return (await answer.json()) as Answer
}

export interface Answer {
  readonly header: { readonly revision: string; readonly member_id: string }
  readonly kvs?: readonly {
    readonly key: string
    readonly value: string
    readonly lease?: string
  }[]
  readonly count?: string
  readonly token?: string
}

export const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** Starts an etcd cluster on free loopback ports, in a temporary directory. */
export function startMembers(
  count: 1 | 3,
  args: readonly string[] = [],
  scheme: 'http' | 'https' = 'http',
): Promise<Members> {
  const path = requirePeer('etcd')
  return withRetry(async () => {
    const ports = await freePorts(3 * count)
    const directory = await mkdtemp(join(place(), 'ktree-etcd-'))
    const names = ports.slice(0, count).map((_, i) => `m${i}`)
    const peer = (i: number): string => `http://127.0.0.1:${ports[count + i]}`
    const cluster = names.map((name, i) => `${name}=${peer(i)}`).join(',')
    const members = names.map((name, i) => {
      const url = `${scheme}://127.0.0.1:${ports[i]}`
      const health = `http://127.0.0.1:${ports[2 * count + i]}`
      const data = join(directory, name)
      return new Member(path, { url, health, data }, [
        ...['--name', name, '--log-level', 'error'],
        ...['--listen-client-urls', url, '--advertise-client-urls', url],
        ...['--listen-metrics-urls', health],
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
    const urls = members.map(({ url }) => url)
    const endLeaseOf = async (address: string): Promise<void> => {
      const all = { key: 'AA==', range_end: 'AA==' }
      const { kvs = [] } = await ask(urls[0], 'kv/range', all)
      for (const { lease, value } of kvs) {
        const isIts = lease !== undefined && Buffer.from(value, 'base64').includes(address)
        if (isIts) await ask(urls[0], 'lease/revoke', { ID: lease })
      }
    }
    return { members, urls, endLeaseOf, stop }
  })
}
