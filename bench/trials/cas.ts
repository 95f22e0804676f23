import { sleep, within } from '../children.ts'
import { HttpConnection, httpRequest } from '../http-connection.ts'
import { summarize } from '../latencies.ts'
import type { Server } from '../peers.ts'
import { RespConnection } from '../resp-connection.ts'
import {
  Collector,
  type Figures,
  LOAD_COLUMNS,
  type Trial,
  turn,
  USAGE_COLUMNS,
  withServers,
} from '../trial.ts'

const CLIENTS = 50
const TIMEOUT_MS = 30_000

/** A client that increments a number in one key, with two round trips per attempt. */
interface Counter {
  /** Sets the key to a number. */
  set(value: number): Promise<void>
  /** Reads the number, and replaces it by the next one unless another client has changed it. */
  trySwap(): Promise<boolean>
  read(): Promise<number>
  close(): void
}

async function redisCounter(port: number): Promise<Counter> {
  const connection = await RespConnection.open(port)
  const key = '/app/counter'
  return {
    set: async (value) => void (await connection.ask('SET', key, value)),
    read: async () => Number(await connection.ask('GET', key)),
    close: () => connection.close(),
    async trySwap() {
      const [, value] = await connection.askAll([
        ['WATCH', key],
        ['GET', key],
      ])
      const replies = await connection.askAll([
        ['MULTI'],
        ['SET', key, Number(value) + 1],
        ['EXEC'],
      ])
      const error = replies.find((reply) => reply instanceof Error)
      if (error) throw error
      return replies[2] !== null
    },
  }
}

/** A field of a map, which RESP2 sends as names and values in turn. */
function field(map: unknown, name: string): unknown {
  return Array.isArray(map) ? map[map.indexOf(name) + 1] : undefined
}

async function ktreeCounter(port: number): Promise<Counter> {
  const connection = await RespConnection.open(port)
  const key = '/app/counter'
  const get = async (): Promise<{ value: number; index: number }> => {
    const node = field(await connection.ask('KGET', key), 'node')
    return { value: Number(field(node, 'value')), index: Number(field(node, 'modifiedIndex')) }
  }
  return {
    set: async (value) => void (await connection.ask('KSET', key, value)),
    read: async () => (await get()).value,
    close: () => connection.close(),
    async trySwap() {
      const { value, index } = await get()
      const [reply] = await connection.askAll([['KCAS', key, value + 1, 'PREVINDEX', index]])
      if (!(reply instanceof Error)) return true
      if (reply.message.startsWith('TESTFAILED')) return false
      throw reply
    },
  }
}

async function etcdCounter(port: number): Promise<Counter> {
  const connection = await HttpConnection.open(port)
  const key = '/keys/app/counter'
  const get = async (): Promise<{ value: number; index: number }> => {
    const [{ body }] = await connection.ask([httpRequest('GET', key)])
    const { node } = JSON.parse(body)
    return { value: Number(node.value), index: node.modifiedIndex }
  }
  const put = async (form: string): Promise<number> => {
    const [{ status, body }] = await connection.ask([httpRequest('PUT', key, form)])
    if (status >= 300 && status !== 412) throw new Error(`etcd answered ${status} ${body}`)
    return status
  }
  return {
    set: async (value) => void (await put(`value=${value}`)),
    read: async () => (await get()).value,
    close: () => connection.close(),
    async trySwap() {
      const { value, index } = await get()
      return (await put(`value=${value + 1}&prevIndex=${index}`)) < 300
    },
  }
}

const counters = { Redis: redisCounter, ktree: ktreeCounter, etcd: etcdCounter } as const

/**
 * Lets many clients increment one number.
 *
 * @param duration milliseconds
 * @throws Error if a swap was lost or counted twice
 */
async function swap({ name, port }: Server, duration: number): Promise<Figures> {
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => counters[name](port)))
  try {
    await clients[0].set(0)
    const waits: number[] = []
    let attempts = 0
    let over = false
    const work = async (client: Counter): Promise<void> => {
      while (!over) {
        const started = performance.now()
        let swapped = false
        while (!swapped && !over) {
          attempts++
          swapped = await client.trySwap()
        }
        if (swapped) waits.push(performance.now() - started)
      }
    }
    const started = performance.now()
    const all = Promise.all(clients.map(work))
    await Promise.race([all, sleep(duration)])
    over = true
    await within(TIMEOUT_MS, 'the last swaps', all)
    const seconds = (performance.now() - started) / 1000
    const counted = await clients[0].read()
    if (counted !== waits.length) throw new Error(`${waits.length} swaps counted to ${counted}`)
    return {
      rate: waits.length / seconds,
      seconds,
      attempts: attempts / waits.length,
      ...summarize(waits),
    }
  } finally {
    for (const client of clients) client.close()
  }
}

const described = {
  name: 'kcas',
  title: 'Compare and swap: 50 clients increment one number',
  text: [
    'Each client reads the number, writes the next one if the key has not changed since, and otherwise ' +
      'tries again. ktree: KGET, then KCAS with PREVINDEX. Redis: WATCH and GET, then MULTI, SET and ' +
      'EXEC. etcd: GET, then PUT with prevIndex. Each attempt takes two round trips. *per s* counts ' +
      'successful swaps; a wait includes all attempts of a swap. The trial checks that no swap is ' +
      'lost. The clients are in one process on Node.js.',
  ],
  cases: ['clients'],
  columns: [
    ...LOAD_COLUMNS,
    { figure: 'attempts', title: 'attempts a swap', digits: 1 },
    ...USAGE_COLUMNS,
  ],
  compare: 'rate',
  warmUp: true,
}

/** Compare-and-swap under contention. */
export const cas: Trial = {
  ...described,
  async run(run) {
    const collector = new Collector(run, described)
    const commands = { Redis: 'WATCH, EXEC', ktree: 'KCAS', etcd: 'PUT ?prevIndex' } as const
    await withServers(
      run.peers.map((peer) => () => peer.start()),
      (servers) =>
        collector.measure(
          [`${CLIENTS}`],
          servers.map((server) =>
            turn(server, commands[server.name], () => swap(server, run.quick ? 500 : 3000)),
          ),
        ),
    )
    return collector
  },
}
