import fc from 'fast-check'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { Users } from '../../src/access/users.ts'
import { commandTable } from '../../src/commands/table.ts'
import { Config } from '../../src/config/config.ts'
import { Keyspace } from '../../src/keyspace/keyspace.ts'
import { Applier, silentClient } from '../../src/log/apply.ts'
import { EntryWriter } from '../../src/log/entry.ts'
import { Recorder } from '../../src/log/recorder.ts'
import { newServerStats } from '../../src/metrics/counters.ts'
import { Subscriptions } from '../../src/pubsub/subscriptions.ts'
import { catalogueOf } from '../../src/request/access-of-command.ts'
import type { Client, ServerContext } from '../../src/request/client.ts'
import { ServerClock } from '../../src/request/clock.ts'
import { Dispatcher } from '../../src/request/dispatcher.ts'
import { LongWork } from '../../src/request/long-work.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { PathError, StoreError } from '../../src/store/errors.ts'
import type { Event } from '../../src/store/event.ts'
import { eventToJson } from '../../src/store/event-json.ts'
import { MAX_PATH_DEPTH, MAX_PATH_LENGTH } from '../../src/store/path.ts'
import { Store } from '../../src/store/store.ts'
import { Changes } from '../../src/store/tree/changes.ts'
import { textOfValue, toValue, type Value } from '../../src/store/value.ts'

/** Enough that events are dropped on the way. */
const WATCH_HISTORY = 20

function newStore(clock: ManualClock): Store {
  return new Store({ clock: new ServerClock(clock), watchHistory: WATCH_HISTORY })
}

/** The events that a watcher of the whole tree is shown. */
function watched(store: Store): string[] {
  const told: string[] = []
  store.hub.addEverywhere((event) => told.push(eventToJson(event)))
  return told
}

/** States are long, so only the place where they differ is shown. */
function expectSame(state: string, expected: string): void {
  if (state === expected) return
  let at = 0
  while (state[at] === expected[at]) at++
  const shown = [state, expected].map((each) => each.slice(Math.max(0, at - 200), at + 100))
  expect(shown[0]).toBe(shown[1])
}

/** As the decoder hands it over. */
function toArgument(argument: string | number): Value {
  return toValue(String(argument))
}

/** A store whose commands are recorded, as in a server. */
class Recorded {
  readonly clock = new ManualClock()
  readonly store = newStore(this.clock)
  readonly told = watched(this.store)
  readonly recorder: Recorder
  /** Records, and the state after each. */
  readonly records: Buffer[] = []
  readonly states: string[] = []
  readonly #dispatcher: Dispatcher
  readonly #client: Client

  constructor(maxLength = ['1mb']) {
    const { store } = this
    const changes = new Changes()
    store.changes = changes
    this.recorder = new Recorder(store, changes, () => {})
    this.recorder.active = true
    const stats = newServerStats()
    const config = new Config()
    // Some requests are refused for it, also within an EXEC.
    config.set('proto-max-bulk-len', maxLength)
    config.set('slowlog-log-slower-than', ['-1'])
    const catalogue = catalogueOf(commandTable)
    const server = {
      ...{ catalogue, users: new Users(catalogue, () => true) },
      ...{ store, config, stats, clock: store.clock, logger: pino({ level: 'silent' }) },
      keyspace: new Keyspace(store, stats),
      pubsub: new Subscriptions(store, () => {}),
      persistence: { recorder: this.recorder, failure: undefined },
      memory: {
        ...{ isExceeded: () => false, hasRoomFor: () => true, heapHasRoomFor: () => true },
        add: () => {},
      },
      longWork: new LongWork().endLimit(),
      ...{ commandStats: new Map(), clients: new Map(), monitors: new Set() },
      execute: (client: Client, transaction: never) =>
        this.#dispatcher.execute(client, transaction),
    } as unknown as ServerContext
    this.#dispatcher = new Dispatcher(server, commandTable)
    this.#client = silentClient(server)
    this.#client.executing = false
  }

  /** @returns the reply, if it is a bulk string */
  run(args: readonly (string | number)[]): string {
    const { reply } = this.#client
    reply.muted = false
    this.#dispatcher.dispatch(this.#client, args.map(toArgument) as never)
    const text = reply.bytes.toString('latin1')
    reply.rewind(0)
    return text.slice(text.indexOf('\n') + 1, -2)
  }

  /** Ends a turn of the event loop: what has changed is one record. */
  endTurn(): void {
    if (!this.recorder.pending) return
    this.records.push(Buffer.concat(this.recorder.record()))
    this.recorder.clear(true)
    this.states.push(this.store.saveNoCopy())
  }

  expire(): void {
    const now = this.store.clock.now()
    this.recorder.begin()
    // As many as a slice of the server's timer may take.
    this.recorder.endExpiry(this.store.deleteExpiredKeys(now, 3), now)
  }
}

const names = fc.constantFrom('a', 'b', 'ab', '_h', 'c')
const paths = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
const values = fc.constantFrom('', '1', '7', 'text', '\x00\xff', 'x'.repeat(40), 'y'.repeat(20_000))
/** Few, so that nodes expire in the same millisecond. */
const ttls = fc.constantFrom(10, 20, 20, 20, 30)
const indexes = fc.integer({ min: 0, max: 30 })

const tuple = fc.tuple(paths, paths, values, ttls, indexes)

type Request = (
  path: string,
  other: string,
  value: string,
  ttl: number,
  index: number,
) => (string | number)[]

/** Every command that writes, in the forms that do something else. */
const REQUESTS: readonly Request[] = [
  (path, _, value) => ['SET', path, value],
  (path, _, value, ttl) => ['SET', path, value, 'PX', ttl],
  (path, _, value) => ['SET', path, value, 'NX', 'GET'],
  (path, _, value) => ['SET', path, value, 'KEEPTTL'],
  (path, _, value) => ['SETNX', path, value],
  (path, _, value, ttl) => ['PSETEX', path, ttl, value],
  (path, _, value) => ['SETEX', path, 1, value],
  (path, _, value) => ['GETSET', path, value],
  (path) => ['GETDEL', path],
  (path, _, __, ttl) => ['GETEX', path, 'PX', ttl],
  (path) => ['GETEX', path, 'PERSIST'],
  (path, other, value) => ['MSET', path, value, other, value],
  (path, other, value) => ['MSETNX', path, value, other, value],
  (path, _, value) => ['APPEND', path, value],
  (path, _, value, __, index) => ['SETRANGE', path, index, value],
  (path) => ['SETRANGE', path, 2_000_000, 'beyond the limit'],
  (path) => ['INCR', path],
  (path) => ['DECRBY', path, 3],
  (path) => ['INCRBYFLOAT', path, '0.5'],
  (path) => ['DEL', path],
  (path, other) => ['UNLINK', path, other],
  (path, other) => ['RENAME', path, other],
  (path, other) => ['RENAMENX', path, other],
  (path, other) => ['COPY', path, other, 'REPLACE'],
  (path, _, __, ttl) => ['PEXPIRE', path, ttl],
  (path, _, __, ttl) => ['PEXPIRE', path, ttl, 'GT'],
  (path) => ['EXPIREAT', path, 1],
  (path) => ['PERSIST', path],
  (path, _, value) => ['KSET', path, value],
  (path, _, value, ttl) => ['KSET', path, value, 'PX', ttl],
  (path, _, __, ttl) => ['KSET', path, '', 'PX', ttl, 'REFRESH'],
  (path, _, value) => ['KCREATE', path, value],
  (path, _, value, ttl) => ['KCREATE', path, value, 'UNIQUE', 'PX', ttl],
  (path, _, value) => ['KUPDATE', path, value],
  (path, _, __, ttl) => ['KUPDATE', path, '', 'PX', ttl],
  (path, _, __, ttl) => ['KMKDIR', path, 'PX', ttl],
  (path) => ['KMKDIR', path],
  (path, _, __, ttl) => ['KMKDIR', path, 'REPLACE', 'PX', ttl],
  (path) => ['KMKDIR', path, 'UNIQUE'],
  (path, _, value) => ['KCAS', path, value, 'PREVVALUE', '1'],
  (path, _, value, ttl, index) => ['KCAS', path, value, 'PREVINDEX', index, 'PX', ttl],
  (path) => ['KCAD', path, 'PREVVALUE', '1'],
  (path) => ['KDEL', path],
  (path) => ['KDEL', path, 'DIR'],
  (path) => ['KDEL', path, 'RECURSIVE'],
  // Reads, whose counters are part of the state.
  (path) => ['KGET', path],
  (path) => ['GET', path],
]

type Step = (recorded: Recorded) => void
const named = (name: string, step: Step): Step =>
  Object.assign(step, { [fc.toStringMethod]: () => name })

const request = fc.tuple(fc.constantFrom(...REQUESTS), tuple).map(([make, args]) => make(...args))
const requestStep = request.map((args) =>
  named(fc.stringify(args), (recorded) => recorded.run(args)),
)
const exec = fc.array(request, { minLength: 1, maxLength: 5 }).map((requests) =>
  named(`EXEC of ${fc.stringify(requests)}`, (recorded) => {
    recorded.run(['MULTI'])
    for (const args of requests) recorded.run(args)
    recorded.run(['EXEC'])
  }),
)

/** What a program does with the store of its server, and what a state brings back. */
const direct: readonly [
  string,
  (store: Store, path: string, other: string, time: number) => void,
][] = [
  ['set', (store, path) => store.set(path, 'direct')],
  ['set for a while', (store, path, _, time) => store.set(path, 'x', { expireTime: time })],
  ['create', (store, path) => store.create(path, 'x', { unique: true })],
  ['directory', (store, path, _, time) => store.setDirectory(path, { expireTime: time })],
  ['update', (store, path, _, time) => store.update(path, '', { expireTime: time })],
  ['refresh', (store, path, _, time) => store.set(path, '', { expireTime: time, refresh: true })],
  ['swap', (store, path) => store.compareAndSwap(path, {}, 'swapped')],
  ['compareAndDelete', (store, path) => store.compareAndDelete(path, {})],
  ['delete', (store, path) => store.delete(path, { recursive: true })],
  ['rename', (store, path, other) => store.rename(path, other)],
  ['flush', (store) => store.flush()],
  ['recover', (store) => store.recovery(store.save())],
]
const directStep = fc
  .tuple(fc.constantFrom(...direct), tuple)
  .map(([[name, write], [path, other, , ttl]]) =>
    named(`directly: ${name} ${path} ${other}`, ({ store, clock }) => {
      try {
        write(store, path, other, clock.now() + ttl)
      } catch (error) {
        if (!(error instanceof StoreError || error instanceof PathError)) throw error
      }
    }),
  )

/** Fills a directory in some order; all nodes expire together, if at all. */
const crowd = fc
  .tuple(
    fc.constantFrom('a', 'b', 'a/b'),
    fc.shuffledSubarray(['a', 'b', 'ab', '_h', 'c', 'd'], { minLength: 3 }),
    fc.constantFrom(0, 0, 10, 20),
    fc.boolean(),
  )
  .map(([directory, children, ttl, makesDirectories]) =>
    named(`${directory}/{${children}} for ${ttl} ms`, (recorded) => {
      const expiry = ttl === 0 ? [] : ['PX', ttl]
      const kind = makesDirectories ? ['KMKDIR'] : ['KSET']
      for (const name of children) {
        const value = makesDirectories ? [] : [name]
        recorded.run([...kind, `${directory}/${name}`, ...value, ...expiry])
      }
    }),
  )
/** Moves what has been filled, or waits for it to expire. */
const moveCrowd = fc
  .tuple(fc.constantFrom('a', 'b', 'a/b'), fc.constantFrom('c', 'd', 'b/c'))
  .map(([from, to]) =>
    named(`RENAME ${from} ${to}`, (recorded) => recorded.run(['RENAME', from, to])),
  )
const expireCrowd = fc.constant(
  named('wait and expire', (recorded) => {
    recorded.clock.advance(20)
    recorded.expire()
  }),
)

/** Meets a directory whose nodes are due, but not yet expired. */
const meetDue = fc
  .tuple(
    fc.constantFrom('a', 'b', 'a/b'),
    fc.shuffledSubarray(['a', 'b', 'ab', '_h', 'c', 'd'], { minLength: 3 }),
    fc.constantFrom('KDEL', 'RENAME', 'EXEC'),
  )
  .map(([directory, children, how]) =>
    named(`${directory}/{${children}}, then ${how} ${directory}`, (recorded) => {
      recorded.run(['KDEL', directory, 'RECURSIVE'])
      for (const name of children) recorded.run(['KSET', `${directory}/${name}`, name, 'PX', 10])
      recorded.endTurn()
      recorded.clock.advance(20)
      if (how === 'KDEL') recorded.run(['KDEL', directory, 'DIR'])
      else if (how === 'RENAME') recorded.run(['RENAME', directory, 'moved'])
      else for (const args of [['MULTI'], ['DEL', directory], ['EXEC']]) recorded.run(args)
    }),
  )

const step = fc.oneof(
  { weight: 6, arbitrary: meetDue },
  { weight: 8, arbitrary: crowd },
  { weight: 5, arbitrary: moveCrowd },
  { weight: 5, arbitrary: expireCrowd },
  { weight: 40, arbitrary: requestStep },
  { weight: 6, arbitrary: exec },
  { weight: 6, arbitrary: directStep },
  {
    weight: 8,
    arbitrary: fc
      .integer({ min: -15, max: 25 })
      .map((ms) => named(`${ms} ms pass`, ({ clock }) => clock.advance(ms))),
  },
  { weight: 6, arbitrary: fc.constant(named('expire', (recorded) => recorded.expire())) },
  {
    weight: 2,
    arbitrary: fc.constant(
      named('reclaim', ({ store }) => void store.reclaim(Number.POSITIVE_INFINITY)),
    ),
  },
  { weight: 12, arbitrary: fc.constant(named('end of turn', (recorded) => recorded.endTurn())) },
  {
    weight: 1,
    arbitrary: fc.constant(named('FLUSHALL', (recorded) => recorded.run(['FLUSHALL']))),
  },
  {
    weight: 1,
    arbitrary: fc.constant(
      named('KRECOVER', (recorded) => recorded.run(['KRECOVER', recorded.store.save()])),
    ),
  },
)

test('applied entries make the same store, byte for byte, from the beginning and from a copy', () => {
  const steps = fc.array(step, { minLength: 10, maxLength: 120, size: 'max' })
  fc.assert(
    fc.property(steps, fc.double({ min: 0, max: 1, noNaN: true }), (sequence, share) => {
      const recorded = new Recorded()
      for (const run of sequence) run(recorded)
      recorded.endTurn()
      const { records, states, told } = recorded
      // The applying machine has another time, and has not swept what is due.
      const later = new ManualClock(recorded.clock.now() + 1e9)
      const store = newStore(later)
      const toldAgain = watched(store)
      const applier = new Applier(store)
      const middle = Math.floor(share * records.length)
      const copies: Store[] = []
      for (const [i, record] of records.entries()) {
        if (i === middle) {
          // The second has its nodes, leases and files in another order.
          const other = newStore(later)
          other.recovery(store.saveNoCopy())
          copies.push(store.clone(), other)
        }
        applier.applyRecord(record)
        expectSame(store.saveNoCopy(), states[i])
      }
      expect(toldAgain).toEqual(told)
      for (const copy of copies) {
        const copyApplier = new Applier(copy)
        for (const record of records.slice(middle)) copyApplier.applyRecord(record)
        expectSame(copy.saveNoCopy(), states.at(-1) ?? '')
      }
    }),
    { numRuns: Number(process.env.KTREE_APPLY_RUNS ?? 150) },
  )
})

test('the table of requests has every command that writes', () => {
  const made = new Set(REQUESTS.map((make) => String(make('a', 'b', '', 1, 1)[0]).toLowerCase()))
  // These have a step of their own, or do not change the store.
  for (const name of ['flushall', 'flushdb', 'krecover', 'swapdb', 'restore', 'move'])
    made.add(name)
  const similar = ['incrby', 'decr', 'expire', 'pexpireat']
  for (const name of similar) made.add(name)
  const writing = commandTable.filter(({ flags }) => flags.includes('write'))
  expect(writing.map(({ name }) => name).filter((name) => !made.has(name))).toEqual([])
})

test('a record that does not go on from the store is damage', () => {
  const recorded = new Recorded()
  recorded.run(['SET', 'a', '1'])
  recorded.run(['INCR', 'a'])
  recorded.endTurn()
  const other = newStore(recorded.clock)
  other.set('/b', '1')
  expect(() => new Applier(other).applyRecord(recorded.records[0])).toThrow(/is damaged/)
})

test('a write of an older version to a path that is too long or too deep by now is told as that', () => {
  const paths = [`/${'p'.repeat(MAX_PATH_LENGTH)}`, '/d'.repeat(MAX_PATH_DEPTH + 1)]
  const clock = new ManualClock()
  for (const path of paths) {
    const event: Event = {
      action: 'set',
      node: { ...newStore(clock).set('/a', 'x').node, key: path },
      prevNode: undefined,
      index: 1,
      refresh: false,
    }
    for (const isCommand of [true, false]) {
      const entries = new EntryWriter()
      if (isCommand) entries.command(['KSET', path, 'x'], clock.now())
      else entries.direct(event, clock.now())
      const record = Buffer.concat(entries.pieces(1))
      const apply = (): void => new Applier(newStore(clock)).applyRecord(record)
      expect(apply).toThrow(
        /an older version of ktree that this one refuses: path is too (long|deep)/,
      )
      expect(apply).not.toThrow(/damaged/)
    }
  }
})

test('an entry of RESTORE takes the bytes of its payload', () => {
  const recorded = new Recorded()
  recorded.run(['SET', 'a', 'ab\xffc'])
  const payload = recorded.run(['DUMP', 'a'])
  recorded.run(['RESTORE', 'r', '0', payload])
  recorded.endTurn()
  const store = newStore(recorded.clock)
  for (const record of recorded.records) new Applier(store).applyRecord(record)
  expect(store.lookup('/r')).toMatchObject({ value: 'ab\xffc' })
})

test('a request that the configuration allowed is applied under a lower limit', () => {
  const recorded = new Recorded(['3mb'])
  recorded.run(['SETRANGE', 'a', 2_000_000, 'x'])
  recorded.endTurn()
  const store = newStore(recorded.clock)
  for (const record of recorded.records) new Applier(store).applyRecord(record)
  const file = store.lookup('/a')
  expect(file?.dir === false && textOfValue(file.value).endsWith('\0x')).toBe(true)
})
