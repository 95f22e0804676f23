import type { Socket } from 'node:net'
import { exchange, frame, open, Pinger } from './load-client.ts'

/** Requests in one write. */
const MAX_WRITE_REQUESTS = 10_000

/**
 * Lets many connections watch one key, and writes it.
 *
 * @returns milliseconds from the write until all connections have its event
 */
export async function watchWithMany(port: number, connections: number): Promise<number> {
  const sockets: Socket[] = []
  try {
    while (sockets.length < connections) {
      const missing = Math.min(200, connections - sockets.length)
      sockets.push(...(await Promise.all(Array.from({ length: missing }, () => open(port)))))
    }
    await Promise.all(
      sockets.map((socket) => exchange(socket, frame('KWATCH', '/key'), ':1\r\n', 1)),
    )
    const all = Promise.all(sockets.map((socket) => exchange(socket, '', '"index":', 1)))
    // One of the watchers writes, because maxclients would count a separate writer, too.
    const started = performance.now()
    sockets[0].write(
      frame('UNSUBSCRIBE') + frame('KSET', '/key', 'x') + frame('KWATCH', '/key?since=1'),
    )
    await all
    return performance.now() - started
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

/** Writes keys into a directory. @param ttl the arguments after the value: `['PXAT', …]` */
export async function fill(
  port: number,
  directory: string,
  keys: number,
  ...ttl: (string | number)[]
): Promise<void> {
  const socket = await open(port)
  for (let from = 0; from < keys; from += MAX_WRITE_REQUESTS) {
    const count = Math.min(MAX_WRITE_REQUESTS, keys - from)
    let requests = ''
    for (let i = 0; i < count; i++) {
      requests += frame('KSET', `${directory}/${from + i}`, 'value', ...ttl)
    }
    await exchange(socket, requests, 'createdIndex', count)
  }
  socket.destroy()
}

/** One number in KSTATS. */
async function stat(socket: Socket, name: string): Promise<number> {
  let text = ''
  const listener = (chunk: Buffer): void => {
    text += chunk.toString('latin1')
  }
  socket.on('data', listener)
  await exchange(socket, frame('KSTATS') + frame('ECHO', 'end'), '\r\nend\r\n', 1)
  socket.off('data', listener)
  return Number(new RegExp(`${name}\r\n:(\\d+)`).exec(text)?.[1])
}

/** The time of some work, and the waits of another client that sends PINGs during it. */
export interface Measurement {
  /** Milliseconds. */
  readonly time: number
  /** The longest wait for a PONG during the work, in milliseconds. */
  readonly longestPing: number
  readonly pings: number
}

/** Measures some work, and how long another client waits for its PONGs meanwhile. */
export async function besidePings(port: number, work: () => Promise<void>): Promise<Measurement> {
  const pinger = new Pinger(await open(port))
  const started = performance.now()
  await work()
  const time = performance.now() - started
  const { longest, count } = pinger
  pinger.stop()
  return { time, longestPing: longest, pings: count }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * Writes keys that expire at the same moment, and measures their expiry.
 *
 * @param lead milliseconds from now to that moment, which must suffice to write the keys
 * @throws Error if it did not suffice
 */
export async function expireAtOnce(port: number, keys: number, lead: number): Promise<Measurement> {
  const due = Date.now() + lead
  await fill(port, '/due', keys, 'PXAT', due)
  const left = due - Date.now()
  if (left < 0) throw new Error(`writing the keys took ${-left} ms too long`)
  const socket = await open(port)
  const before = await stat(socket, 'expireCount')
  await sleep(left - 20)
  const measured = await besidePings(port, async () => {
    while ((await stat(socket, 'expireCount')) - before < keys) await sleep(10)
  })
  socket.destroy()
  return measured
}

/** Removes a directory full of keys that have a TTL, and measures that. */
export async function removeDirectory(port: number, keys: number): Promise<Measurement> {
  await fill(port, '/leased', keys, 'EX', 3600)
  const socket = await open(port)
  const measured = await besidePings(port, async () => {
    await exchange(socket, frame('KDEL', '/leased', 'RECURSIVE'), 'createdIndex', 1)
    // The server reclaims the nodes after its reply.
    await sleep(3000)
  })
  socket.destroy()
  return measured
}

/** Lists the whole tree, and measures that. */
export async function listAll(
  port: number,
  nodes: number,
): Promise<Measurement & { readonly bytes: number }> {
  await fill(port, '/list', nodes)
  const socket = await open(port)
  let bytes = 0
  const measured = await besidePings(port, async () => {
    bytes = await exchange(
      socket,
      frame('KGET', '/', 'RECURSIVE', 'SORTED'),
      'createdIndex',
      nodes + 2,
    )
  })
  socket.destroy()
  return { ...measured, bytes }
}
