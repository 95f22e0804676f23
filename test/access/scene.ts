import { expect } from 'vitest'
import { pathOfKey } from '../../src/keyspace/key.ts'
import type { ManualClock } from '../../src/store/clock.ts'
import { cleanPath, isBelow } from '../../src/store/path.ts'
import type { Store } from '../../src/store/store.ts'
import { nodesBelow, pathOf } from '../../src/store/tree/node.ts'
import { LARGE_VALUE_BYTES, textOfValue } from '../../src/store/value.ts'
import type { SeededRandom } from '../persistence/seeded-random.ts'
import { Push, type RawClient, type Reply } from '../server/raw-client.ts'
import { ReplyReader } from '../server/reply-reader.ts'
import { PathModel } from './path-model.ts'
import type { Stage } from './play.ts'
import {
  anyPath,
  anyRequest,
  CHANNELS,
  favour,
  PATTERNS,
  spelled,
  treeChannel,
} from './random-requests.ts'

/** In the value of every node that the user may not read, and in no other. */
const CANARY = 'CaNaRy'
/** In the name of some nodes that the user may not read. No request of the user has it. */
const SECRET = 'SeCrEt'

export const KEY_RULES = [
  ...['~a/*', '~/a', '~a*', '%R~a/*', '%W~d/*', '%R~b*', '~d/e/*', '~*x', '~/b/../d/*', '~a/?'],
  ...['~a', '~d', '~b', '%R~b', '~a/b', '%W~d', '%R~d/e', '~/a/../d', '~ab', '~x/..', '~b/_h*'],
  ...['%R~*', '%W~*', '~*', '%RW~d', '~./a/b/*', '%W~a', '~ab*', '~*/x', '~d/**', '%R~/'],
]
const COMMAND_RULES = [
  '+@all',
  '+@all',
  '+@all -@dangerous',
  '+@tree +@read +@transaction +ping',
  '+@all -@write',
]
const CHANNEL_RULES = ['allchannels', '&__key*', '&news', '&n* &__keyevent@0__:*', '']

interface NodeState {
  readonly value: string | undefined
  readonly indexes: string
}

export function stateOf(store: Store): Map<string, NodeState> {
  const state = new Map<string, NodeState>()
  for (const node of nodesBelow(store.root)) {
    state.set(pathOf(node), {
      value: node.dir ? undefined : textOfValue(node.value),
      indexes: `${node.createdIndex} ${node.modifiedIndex} ${node.lease?.expireTime}`,
    })
  }
  return state
}

/** A connection of which every byte is kept. */
export class Witness {
  readonly client: RawClient
  bytes = ''

  constructor(client: RawClient) {
    this.client = client
    client.socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.toString('latin1')
    })
  }
}

/** A client that may do everything. */
export type Admin = Pick<RawClient, 'call'>

/** One user, one tree, and some connections. */
export class Scene {
  readonly random: SeededRandom
  readonly admin: Admin
  readonly store: Store
  readonly clock: ManualClock
  readonly witnesses: Witness[] = []
  /** What has been done, for the message when something is wrong. */
  readonly story: string[] = []
  rules: string[] = []
  model = new PathModel([])
  #queueing = false
  /** The words of what is queued, or has just run. */
  #queued: string[] = []
  /** The paths of tree channels that the user has asked for, and those that it has waited for. */
  readonly #watched: string[] = []
  #spy: RawClient | undefined
  readonly #connect: () => Promise<RawClient>
  readonly #synced: (() => Promise<void>) | undefined

  constructor(random: SeededRandom, { admin, store, clock, connect, synced }: Stage) {
    this.random = random
    this.admin = admin
    this.store = store
    this.clock = clock
    this.#connect = connect
    this.#synced = synced
  }

  async begin(): Promise<void> {
    const { random } = this
    await this.ask(['FLUSHALL'])
    // What happened in an earlier scene is not to be hidden from the user of this one.
    await this.ask(['CONFIG', 'SET', 'watch-history', '1'])
    await this.ask(['CONFIG', 'SET', 'watch-history', '1000'])
    await this.ask(['ACL', 'DELUSER', 'u'])
    await this.ask(['SLOWLOG', 'RESET'])
    this.rules = Array.from({ length: random.between(1, 4) }, () => random.oneOf(KEY_RULES))
    // A second selector has the same commands: what may be done is what either allows.
    const split = random.next() < 0.2 ? random.between(0, this.rules.length) : this.rules.length
    const commands = random.oneOf(COMMAND_RULES).split(' ')
    const channels = random.oneOf(CHANNEL_RULES).split(' ').filter(Boolean)
    const second = this.rules.slice(split).map(asRule)
    const selector = second.length > 0 ? [`(${[...commands, ...second].join(' ')})`] : []
    await this.ask([
      ...['ACL', 'SETUSER', 'u', 'reset', 'resetchannels', 'on', 'nopass'],
      ...[
        ...commands,
        '+ping',
        ...this.rules.slice(0, split).map(asRule),
        ...channels,
        ...selector,
      ],
    ])
    this.model = new PathModel(this.rules)
    favour(this.model.globs)
    for (let i = 0; i < 20; i++) await this.plant()
    await this.spy()
  }

  /** Has somebody else listen to what the user may not know of. */
  async spy(): Promise<void> {
    const path = `${anyPath(this.random)}/${SECRET}`.replace('//', '/')
    if (this.model.may(path, 'r')) return
    this.#spy = await this.#connect()
    await this.#spy.call('SUBSCRIBE', path, `__keyspace@0__:${path.slice(1)}`)
  }

  async ask(request: readonly string[]): Promise<Reply> {
    this.story.push(`admin: ${request.join(' ').slice(0, 200)}`)
    return await this.admin.call(...request)
  }

  /** Makes a node, of which the user shall learn nothing if it may not read it. */
  async plant(): Promise<void> {
    const { random, model } = this
    let path = anyPath(random)
    // Many paths are to be directories.
    if (random.next() < 0.5) path = `${path === '/' ? '' : path}/${random.oneOf(['a', 'b', 'y'])}`
    if (random.next() < 0.3) path = `${path === '/' ? '' : path}/${SECRET}${random.between(0, 9)}`
    if (path === '/' || (path.includes(SECRET) && model.may(path, 'r'))) return
    const word = model.may(path, 'r') ? 'v' : CANARY
    // A large value is kept, and sent, in another way.
    const more = random.next() < 0.05 ? word.repeat(LARGE_VALUE_BYTES) : ''
    const value = `${word}${random.between(0, 99)}${more}`
    const command = random.oneOf(['SET', 'SET', 'KSET', 'KCREATE', 'KMKDIR'])
    await this.ask(command === 'KMKDIR' ? [command, path] : [command, path, value])
  }

  /** Any path; often one above a path that the user watches, or has watched. */
  above(): string {
    const { random } = this
    if (this.#watched.length === 0 || random.next() < 0.5) return anyPath(random)
    const names = random.oneOf(this.#watched).split('/').slice(1)
    return `/${names.slice(0, random.between(0, names.length)).join('/')}`
  }

  /** Moves what may be moved without showing what is forbidden. */
  async move(): Promise<void> {
    const { random, model } = this
    const [from, to] = [this.above(), anyPath(random)]
    const moved = [...stateOf(this.store)].filter(([path]) => path === from || isBelow(path, from))
    const isSafe = moved.every(([path, { value }]) => {
      const secret = path.includes(SECRET) || value?.includes(CANARY) === true
      return !secret || !model.may(to + path.slice(from.length), 'r')
    })
    if (isSafe) await this.ask(['RENAME', from, to])
    await this.hide()
  }

  /** Gives every node that the user may not read a value that it shall not see. */
  async hide(): Promise<void> {
    // What the user gave a TTL while and where it was allowed to would still expire. A TTL that is
    // over, or was never to come, ends now.
    this.clock.advance(1)
    for (const node of [...nodesBelow(this.store.root)]) {
      if (node.lease !== null) await this.ask(['PERSIST', pathOf(node)])
    }
    for (const [path, { value }] of stateOf(this.store)) {
      if (value === undefined || value.includes(CANARY) || this.model.may(path, 'r')) continue
      await this.ask(['SET', path, `${CANARY}${this.random.between(0, 99)}`])
    }
  }

  /** Takes a right away while the user is connected. */
  async narrow(): Promise<void> {
    if (this.rules.length < 2) return
    await this.settle()
    this.checkUnseen()
    for (const witness of this.witnesses) witness.bytes = ''
    this.rules = this.rules.slice(1)
    await this.ask([
      'ACL',
      'SETUSER',
      'u',
      'clearselectors',
      'resetkeys',
      ...this.rules.map(asRule),
    ])
    this.model = new PathModel(this.rules)
    await this.hide()
  }

  async connect(): Promise<Witness> {
    const witness = new Witness(await this.#connect())
    this.witnesses.push(witness)
    const protocol = this.random.oneOf(['2', '3'])
    this.story.push(`user ${this.witnesses.length}: connects, RESP${protocol}`)
    await witness.client.call('HELLO', protocol, 'AUTH', 'u', 'x')
    return witness
  }

  /** Begins to listen to something, or to wait for it. */
  async listen(): Promise<void> {
    const { random, store } = this
    const witness = await this.connect()
    const waited = anyPath(random)
    const request = random.oneOf([
      ['SUBSCRIBE', treeChannel(random, store.index)],
      ['KWATCH', treeChannel(random, store.index), treeChannel(random, store.index)],
      ['PSUBSCRIBE', random.oneOf(PATTERNS)],
      ['PSUBSCRIBE', random.oneOf(PATTERNS), random.oneOf(PATTERNS)],
      ['SUBSCRIBE', random.oneOf(CHANNELS)],
      ['MONITOR'],
      ['KWAIT', spelled(waited, random), ...random.oneOf([[], ['RECURSIVE']])],
      [
        'KWAIT',
        spelled(waited, random),
        'RECURSIVE',
        'SINCE',
        String(random.between(1, store.index + 1)),
      ],
    ])
    this.story.push(`user ${this.witnesses.length}: ${request.join(' ')}`)
    this.#watched.push(...request.slice(1).filter(isPath).map(pathOfChannel))
    witness.client.send(...request)
    // It is not known whether there will be a reply: what is sent next is served after it.
    await this.settle()
  }

  /** Has everything served that has been sent, and everything sent that is owed. */
  async settle(): Promise<void> {
    for (let i = 0; i < 3; i++) {
      await this.admin.call('PING')
      await this.#synced?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** One request of the user, or a transaction. */
  async use(witness: Witness): Promise<void> {
    const { random, store } = this
    const requests = [anyRequest(random, store.index)]
    if (random.next() < 0.25) {
      while (random.next() < 0.6) requests.push(anyRequest(random, store.index))
      requests.unshift(['MULTI'])
      if (random.next() < 0.4) requests.unshift(['WATCH', spelled(anyPath(random), random)])
      requests.push(['EXEC'])
    }
    // Between what is queued and EXEC a right is taken away, or the tree changes.
    const isTransaction = requests.length > 1
    const cut =
      isTransaction && random.next() < 0.5 ? random.between(1, requests.length) : requests.length
    for (const request of requests.slice(0, cut)) await this.#send(witness, request)
    if (cut < requests.length) {
      if (random.next() < 0.6) await this.narrow()
      else for (let i = 0; i < 3; i++) await this.plant()
      for (const request of requests.slice(cut)) await this.#send(witness, request)
    }
    if (witness.client.ended) return
    if (!requests.some(([name]) => /subscribe|kwatch/i.test(name))) return
    await this.#send(witness, ['UNSUBSCRIBE'])
    await this.#send(witness, ['PUNSUBSCRIBE'])
  }

  async #send(witness: Witness, request: readonly string[]): Promise<void> {
    if (witness.client.ended) return
    const before = stateOf(this.store)
    this.story.push(`user ${this.witnesses.indexOf(witness) + 1}: ${request.join(' ')}`)
    witness.client.send(...request)
    this.#queued = this.#queueing ? [...this.#queued, ...request] : [...request]
    // Between MULTI and EXEC a PING would be queued, too.
    if (request[0] === 'MULTI') this.#queueing = true
    if (request[0] === 'EXEC') this.#queueing = false
    if (this.#queueing) await this.settle()
    else await witness.client.untilPong().catch(() => [])
    await this.#synced?.()
    this.checkUnchanged(before)
  }

  /** What the user may not write is as it was, but for directories on the way to what it may. */
  checkUnchanged(before: ReadonlyMap<string, NodeState>): void {
    const after = stateOf(this.store)
    for (const [path, state] of before) {
      if (!this.model.may(path, 'w')) this.#expect(after.get(path), state, path)
    }
    for (const path of after.keys()) {
      if (before.has(path) || this.model.may(path, 'w')) continue
      // An EXEC may make what is below a directory, and remove it again.
      const named = this.#queued.map((word) => cleanPath(pathOfKey(word)))
      const leads = [...after.keys(), ...named].some(
        (below) => isBelow(below, path) && this.model.may(below, 'w'),
      )
      this.#expect(leads, true, path)
    }
  }

  /** Nothing that the user may not read has been sent to it. */
  checkUnseen(): void {
    for (const [i, { bytes }] of this.witnesses.entries()) {
      for (const secret of [CANARY, SECRET]) {
        const at = bytes.indexOf(secret)
        if (at >= 0)
          this.#fail(
            `user ${i + 1} was sent ${JSON.stringify(bytes.slice(Math.max(0, at - 300), at + 50))}`,
          )
      }
      // Paths in events, in errors, and in keyspace notifications.
      for (const [, path] of bytes.matchAll(/"key":"(\/[^"]*)"|\((\/[^)\r]*)\) \[\d+\]/g)) {
        if (path !== undefined) this.#expectKnown(path, i)
      }
      for (const [, path] of bytes.matchAll(/\((\/[^)\r]*)\) \[\d+\]/g)) this.#expectKnown(path, i)
      for (const path of notifiedKeys(bytes)) this.#expectKnown(path, i)
    }
  }

  #expectKnown(path: string, i: number): void {
    // Who may use all that is below a path can find out what stands there.
    if (!this.model.may(path, '') && !this.model.covers(path, ''))
      this.#fail(`user ${i + 1} was told of ${path}`)
  }

  #expect(actual: unknown, expected: unknown, path: string): void {
    try {
      expect(actual).toEqual(expected)
    } catch (error) {
      this.#fail(`${path} has changed: ${(error as Error).message}`)
    }
  }

  #fail(what: string): never {
    const told = this.story.slice(-150).join('\n')
    throw new Error(`${what}\nkeys: ${this.rules.join(' ')}\n${told}`)
  }

  async end(): Promise<void> {
    this.checkUnseen()
    this.#spy?.socket.destroy()
    for (const { client } of this.witnesses) client.socket.destroy()
    await this.settle()
  }
}

const isPath = (word: string): boolean =>
  word.includes('/') && !/[*?[]\S*$/.test(word.split('?')[0])
const pathOfChannel = (channel: string): string => cleanPath(channel.split('?')[0])

/** `~*` as a rule of its own would forbid all others beside it; `%RW~*` means the same. */
export const asRule = (rule: string): string => (rule === '~*' ? '%RW~*' : rule)

/** The keys of messages to channels of keyspace notifications. */
function notifiedKeys(bytes: string): string[] {
  const paths: string[] = []
  const reader = new ReplyReader()
  reader.add(bytes)
  for (;;) {
    const reply = reader.next()
    if (reply === undefined) return paths
    const items = reply instanceof Push ? reply.items : Array.isArray(reply) ? reply : []
    if (items[0] !== 'message' && items[0] !== 'pmessage') continue
    const [channel, message] = items.slice(-2).map(String)
    if (channel.startsWith('__keyevent@0__:')) paths.push(`/${message}`)
    if (channel.startsWith('__keyspace@0__:')) paths.push(`/${channel.slice(15)}`)
  }
}
