import type { Socket } from 'node:net'
import { within } from '../children.ts'
import { HttpConnection, httpRequest } from '../http-connection.ts'
import { median } from '../latencies.ts'
import { exchange, frame, open } from '../load-client.ts'
import type { Server } from '../peers.ts'
import { RespConnection } from '../resp-connection.ts'
import { Collector, type Figures, type Trial, turn, USAGE_COLUMNS, withServers } from '../trial.ts'

const WATCHERS = [1, 10, 100, 1000, 10_000]
/** Connections that are opened at the same time. */
const OPEN_AT_ONCE = 200
/** Events that the writer sends before it waits for the replies. */
const PIPELINE = 16
const DELIVERIES = 200_000
const TIMEOUT_MS = 30_000

/** A text that each event contains once. */
const MARK = '"action":'

/** The requests of a watcher and of a writer, for one kind of server. */
interface Protocol {
  readonly command: string
  /** A watcher's request, and a text in its confirmation. */
  readonly watch: readonly [request: string, confirmation: string]
  /** A client that writes many keys at a time. */
  writer(port: number): Promise<{ write(keys: readonly string[]): Promise<void>; close(): void }>
}

/** The message to Redis's subscribers, as large as the event that ktree's watchers get. */
const event = (key: string): string =>
  JSON.stringify({
    action: 'set',
    node: { key, value: 'x'.repeat(16), modifiedIndex: 1000, createdIndex: 1000 },
    index: 1000,
  })

/** A writer that speaks Redis's protocol. */
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

/** Opens connections, adds them to `sockets`, and lets each watch the directory. */
async function watchWith(
  sockets: Socket[],
  port: number,
  count: number,
  { watch: [request, confirmation] }: Protocol,
): Promise<void> {
  while (sockets.length < count) {
    const missing = Math.min(OPEN_AT_ONCE, count - sockets.length)
    const opened = await Promise.all(Array.from({ length: missing }, () => open(port)))
    sockets.push(...opened)
    await Promise.all(opened.map((socket) => exchange(socket, request, confirmation, 1)))
  }
}

let written = 0

/** Measures how one writer's events reach many watchers. */
async function fanOut(server: Server, watchers: number, quick: boolean): Promise<Figures> {
  const protocol = protocols[server.name]
  const sockets: Socket[] = []
  const writer = await protocol.writer(server.port)
  /** Writes a number of keys, and waits until all watchers have their events. @returns milliseconds */
  const deliver = async (events: number): Promise<number> => {
    // The keys are new, so that their events have no prevNode.
    const keys = Array.from({ length: events }, () => `/fan/${++written}`)
    const delivered = Promise.all(sockets.map((socket) => exchange(socket, '', MARK, events)))
    // A failing write ends this function before it awaits `delivered`, which must not reject unheard.
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
    // A reset frees the ports at once; after a proper end TCP would keep them for a while.
    for (const socket of sockets) socket.resetAndDestroy()
  }
}

const described = {
  name: 'fanout',
  title: 'Fan-out: one writer, many watchers of a directory',
  text: [
    'Each watcher is a connection. Redis gets a PUBLISH to as many subscribers, with a message as ' +
      "large as ktree's event; etcd's watchers use `?wait=true&recursive=true&stream=true`. " +
      '*last watcher* is the time from one write until the last watcher has the event, and *longest* ' +
      'the longest of these times. *events per s*: a writer sends 16 writes at a time and waits for ' +
      'their replies, and the time ends when all watchers have all events. All watchers are in one ' +
      'process on Node.js. With 1000 watchers or more, a server CPU below 100 means that this process, ' +
      'not the server, was the limit.',
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

/** One writer, many watchers. */
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
