import { sleep, within } from '../children.ts'
import { fill } from '../fill.ts'
import { HttpConnection, httpRequest } from '../http-connection.ts'
import { valueOfSize } from '../keys.ts'
import { open, Pinger } from '../load-client.ts'
import type { Server } from '../peers.ts'
import { RespConnection } from '../resp-connection.ts'
import { Collector, type Figures, freshTurn, PEAK_COLUMNS, type Trial } from '../trial.ts'

const KEYS = 200_000
/** One key of so many is written first, to learn how long all of them take, */
const SAMPLE = 20
/** and this much longer is left for it. */
const SPARE = 1.6
const TIMEOUT_MS = 60_000
/** Between two questions how many are gone. */
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

/** Writes keys that are due at a moment, in milliseconds since 1970. */
function write(server: Server, directory: string, keys: number, due: number): Promise<void> {
  const value = valueOfSize(16)
  const set = server.name === 'Redis' ? 'SET' : 'KSET'
  return fill(server, {
    count: keys,
    resp: (i) => [set, `${directory}/${i}`, value, 'PXAT', due],
    http: (i) => {
      // It only takes seconds from now on.
      const ttl = Math.max(1, Math.round((due - Date.now()) / 1000))
      return httpRequest('PUT', `/keys${directory}/${i}`, `value=${value}&ttl=${ttl}`)
    },
  })
}

/** Keys that are all due at one moment, a full second. */
async function expire(server: Server, keys: number): Promise<Figures> {
  const started = performance.now()
  await write(server, '/sample', keys / SAMPLE, Date.now() + 3_600_000)
  const lead = (performance.now() - started) * SAMPLE * SPARE + 2000
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
    'Keys with values of 16 B in one directory. *longest* is the longest that another client had to ' +
      'wait for a PING (etcd: a GET of a key that is not there), sent one after the other, while they ' +
      'expired; *all gone* is the time after that moment until the last one was counted as expired ' +
      '(looked at every 20 ms). ktree never shows a key that is due, gone or not; Redis neither. For ' +
      'etcd, which takes a TTL in whole seconds only, the keys are due within about a second.',
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
