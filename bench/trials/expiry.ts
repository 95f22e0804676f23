import { sleep, within } from '../children.ts'
import { fill } from '../fill.ts'
import { HttpConnection, httpRequest } from '../http-connection.ts'
import { valueOfSize } from '../keys.ts'
import { open, Pinger } from '../load-client.ts'
import type { Server } from '../peers.ts'
import { RespConnection } from '../resp-connection.ts'
import { Collector, type Figures, freshTurn, PEAK_COLUMNS, type Trial } from '../trial.ts'

const KEYS = 200_000
/** The sample that is written first, to estimate the time for all keys, is all keys divided by this. */
const SAMPLE_DIVISOR = 20
/** The keys are due after the estimated time multiplied by this. */
const SAFETY_FACTOR = 1.6
const TIMEOUT_MS = 60_000
/** Time between two queries of the number of expired keys. */
const POLL_MS = 20

/** A client that asks how many keys have expired since the server was started. */
async function expiredCounter({ name, port }: Server) {
  if (name === 'etcd') {
    const connection = await HttpConnection.open(port)
    return {
      async count(): Promise<number> {
        const [{ body }] = await connection.ask([httpRequest('GET', '/stats/store')])
        return JSON.parse(body).expireCount
      },
      close: () => connection.close(),
    }
  }
  const connection = await RespConnection.open(port)
  return {
    async count(): Promise<number> {
      const info = String(await connection.ask('INFO', 'stats'))
      return Number(/^expired_keys:(\d+)/m.exec(info)?.[1])
    },
    close: () => connection.close(),
  }
}

/** Writes keys that expire at the same moment. @param due Unix milliseconds */
function write(server: Server, directory: string, keys: number, due: number): Promise<void> {
  const value = valueOfSize(16)
  const set = server.name === 'Redis' ? 'SET' : 'KSET'
  return fill(server, {
    count: keys,
    resp: (i) => [set, `${directory}/${i}`, value, 'PXAT', due],
    http: (i) => {
      // etcd takes only a TTL in seconds.
      const ttl = Math.max(1, Math.round((due - Date.now()) / 1000))
      return httpRequest('PUT', `/keys${directory}/${i}`, `value=${value}&ttl=${ttl}`)
    },
  })
}

/** Measures the expiry of keys that are all due at the same full second. */
async function expire(server: Server, keys: number): Promise<Figures> {
  const started = performance.now()
  await write(server, '/sample', keys / SAMPLE_DIVISOR, Date.now() + 3_600_000)
  const lead = (performance.now() - started) * SAMPLE_DIVISOR * SAFETY_FACTOR + 2000
  const due = Math.ceil((Date.now() + lead) / 1000) * 1000
  await write(server, '/due', keys, due)
  const left = due - Date.now()
  if (left < 500)
    throw new Error(`writing ${keys} keys took longer than ${Math.round(lead / 1000)} s`)
  const counter = await expiredCounter(server)
  const probe = server.name === 'etcd' ? httpRequest('GET', '/keys/ping') : 'PING\r\n'
  const pinger = new Pinger(await open(server.port), probe)
  try {
    await sleep(left - 400)
    pinger.longest = 0
    const untilGone = async (): Promise<void> => {
      while ((await counter.count()) < keys) await sleep(POLL_MS)
    }
    await within(TIMEOUT_MS, 'expiry', untilGone())
    return { longest: pinger.longest, gone: Date.now() - due }
  } finally {
    pinger.stop()
    counter.close()
  }
}

const described = {
  name: 'expiry',
  title: 'Expiry: many keys due at the same moment',
  text: [
    'Keys with values of 16 B in one directory. Another client sends PINGs one after another (to etcd: ' +
      'GETs of a missing key); *longest* is its longest wait while the keys expired. *all gone* is the ' +
      'time from the moment at which the keys were due until the last one was counted as expired ' +
      '(polled every 20 ms). Neither ktree nor Redis ever shows a key that is due. etcd takes a TTL ' +
      'only in whole seconds, so its keys are due within about a second of each other.',
  ],
  cases: ['keys'],
  columns: [
    { figure: 'longest', title: 'longest, ms', digits: 1, over: 'largest' as const },
    { figure: 'gone', title: 'all gone, ms', digits: 0 },
    ...PEAK_COLUMNS,
  ],
  compare: 'gone',
}

/** Many keys at once. */
export const expiry: Trial = {
  ...described,
  async run(run) {
    const collector = new Collector(run, described)
    const keys = run.quick ? KEYS / 20 : KEYS
    const command = { Redis: 'SET PXAT', ktree: 'KSET PXAT', etcd: 'PUT ttl' } as const
    const turns = run.peers.map((peer) =>
      freshTurn(peer, command[peer.name], (server) => expire(server, keys)),
    )
    await collector.measure([`${keys}`], turns)
    return collector
  },
}
