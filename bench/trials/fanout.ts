import type { Socket } from 'node:net'
import { within } from '../children.ts'
import { HttpConnection, httpRequest } from '../http-connection.ts'
import { median } from '../latencies.ts'
import { exchange, frame, open } from '../load-client.ts'
import type { Server } from '../peers.ts'
import { RespConnection } from '../resp-connection.ts'
import { Collector, type Figures, type Trial, turn, USAGE_COLUMNS, withServers } from '../trial.ts'

const WATCHERS = [1, 10, 100, 1000, 10_000]
/** Connections that are opened at one time. */
const OPENING = 200
/** Events that the writer sends before it waits for the replies. */
const PIPELINE = 16
const DELIVERIES = 200_000
const TIMEOUT_MS = 30_000

/** What stands once in each event as it comes to a watcher. */
const MARK = '"action":'

/** How a kind of server is watched and written to. */
interface Protocol {
  readonly command: string
  /** What a watcher sends, and what begins the answer that it is heard. */
  readonly watch: readonly [request: string, confirmation: string]
  /** A client that makes events, many at a time. */
  writer(port: number): Promise<{ write(keys: readonly string[]): Promise<void>; close(): void }>
}

/** What Redis's subscribers get: as large as what ktree's watchers get. */
const event = (key: string): string =>
  JSON.stringify({
    action: 'set',
    node: { key, value: 'x'.repeat(16), modifiedIndex: 1000, createdIndex: 1000 },
    index: 1000,
  })

/** A writer over a connection of Redis's protocol. */
async function respWriter(port: number, request: (key: string) => readonly string[]) {
  const connection = await RespConnection.open(port)
  return {
    async write(keys: readonly string[]): Promise<void> {
      const replies = await connection.askAll(keys.map(request))
      const error = replies.find((reply) => reply instanceof Error)
      if (error) throw error
    },
    close: () => connection.close(),
  }
}

const protocols: Readonly<Record<Server['name'], Protocol>> = {
  Redis: {
    command: 'PUBLISH',
    watch: [frame('SUBSCRIBE', '/fan'), '$9\r\nsubscribe\r\n'],
    writer: (port) => respWriter(port, (key) => ['PUBLISH', '/fan', event(key)]),
  },
  ktree: {
    command: 'KWATCH, KSET',
    watch: [frame('KWATCH', '/fan?recursive=true'), '$9\r\nsubscribe\r\n'],
    writer: (port) => respWriter(port, (key) => ['KSET', key, 'x'.repeat(16)]),
  },
  etcd: {
    command: 'wait, PUT',
    watch: [httpRequest('GET', '/keys/fan?wait=true&recursive=true&stream=true'), '\r\n\r\n'],
    async writer(port) {
      const connection = await HttpConnection.open(port)
      return {
        async write(keys) {
          const put = (key: string): string =>
            httpRequest('PUT', `/keys${key}`, `value=${'x'.repeat(16)}`)
          for (const { status, body } of await connection.ask(keys.map(put))) {
            if (status >= 300) throw new Error(`etcd answered ${status} ${body.trim()}`)
          }
        },
        close: () => connection.close(),
      }
    },
  },
}

/** Opens connections that watch, and adds them to `sockets`. */
async function watchWith(
  sockets: Socket[],
  port: number,
  count: number,
  { watch: [request, confirmation] }: Protocol,
): Promise<void> {
  while (sockets.length < count) {
    const missing = Math.min(OPENING, count - sockets.length)
    const opened = await Promise.all(Array.from({ length: missing }, () => open(port)))
    sockets.push(...opened)
    await Promise.all(opened.map((socket) => exchange(socket, request, confirmation, 1)))
  }
}

let written = 0

/** @param watchers how many connections watch the directory that one other writes to */
async function fanOut(server: Server, watchers: number, quick: boolean): Promise<Figures> {
  const protocol = protocols[server.name]
  const sockets: Socket[] = []
  const writer = await protocol.writer(server.port)
  /** Writes so many events, and waits until all watchers have them. @returns milliseconds */
  const deliver = async (events: number): Promise<number> => {
    // Keys that there have not been: an event of theirs has no prevNode.
    const keys = Array.from({ length: events }, () => `/fan/${++written}`)
    const delivered = Promise.all(sockets.map((socket) => exchange(socket, '', MARK, events)))
    // Whoever fails first is told of; the other must not be without anyone to hear it.
    delivered.catch(() => {})
    const started = performance.now()
    for (let i = 0; i < events; i += PIPELINE) await writer.write(keys.slice(i, i + PIPELINE))
    await delivered
    return performance.now() - started
  }
  const work = async (): Promise<Figures> => {
    await watchWith(sockets, server.port, watchers, protocol)
    const times: number[] = []
    for (let i = quick ? 3 : 10; i > 0; i--) times.push(await deliver(1))
    const events = Math.max(10, Math.min(2000, DELIVERIES / watchers) / (quick ? 10 : 1))
    const seconds = (await deliver(events)) / 1000
    return {
      last: median(times),
      longest: Math.max(...times),
      rate: events / seconds,
      deliveries: (events * watchers) / seconds,
    }
  }
  try {
    return await within(TIMEOUT_MS, `${watchers} watchers`, work())
  } finally {
    writer.close()
    // Without the time that TCP waits after a proper end: ports would run out.
    for (const socket of sockets) socket.resetAndDestroy()
  }
}

const described = {
  name: 'fanout',
  title: 'Fan-out: one writer, many watchers of a directory',
  text: [
    'Each watcher is a connection. For Redis PUBLISH to as many subscribers, a message as large as ' +
      "ktree's event; for etcd `?wait=true&recursive=true&stream=true`. *last watcher* is the time from " +
      'one write until the last watcher has the event, *longest* the longest of these; events per s ' +
      'come from a writer that sends 16 and waits for the replies, until all watchers have them all. ' +
      'All watchers are one process on Node.js: with 1000 and more it, not the server, is what is busy ' +
      'where the server CPU is below 100.',
  ],
  cases: ['watchers'],
  columns: [
    { figure: 'rate', title: 'events per s', digits: 0 },
    { figure: 'deliveries', title: 'deliveries per s', digits: 0 },
    { figure: 'last', title: 'last watcher, ms', digits: 2 },
    { figure: 'longest', title: 'longest, ms', digits: 1, over: 'largest' as const },
    ...USAGE_COLUMNS,
  ],
  compare: 'rate',
  warmUp: true,
}

/** Events to many. */
export const fanout: Trial = {
  ...described,
  async run(run) {
    const collector = new Collector(run, described)
    await withServers(
      run.peers.map((peer) => () => peer.start()),
      async (servers) => {
        for (const watchers of WATCHERS) {
          const turns = servers.map((server) =>
            turn(server, protocols[server.name].command, () => fanOut(server, watchers, run.quick)),
          )
          await collector.measure([`${watchers}`], turns)
        }
      },
    )
    return collector
  },
}
