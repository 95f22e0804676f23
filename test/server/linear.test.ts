import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { commandTable } from '../../src/commands/table.ts'
import type { Argument } from '../../src/request/arguments/argument.ts'
import type { Command } from '../../src/request/command.ts'
import { type RunningServer, startServer } from '../../src/server/start.ts'
import { frame } from './raw-client.ts'
import { StepCounter } from './steps.ts'

/** How many arguments the smaller of two requests has; the larger one has {@link GROWTH} times as many. */
const ARGUMENTS = 400
/** How many bytes the long argument of the smaller of two requests has. */
const BYTES = 4000
const GROWTH = 4
/** Steps that do not depend on the request: what a turn takes, and what happens to be done in it. */
const NOISE = 6000
/** A request that has grown by {@link GROWTH} may take so many times the steps. */
const MAX_GROWTH = 1.25 * GROWTH

/** Commands that end the server, or may wait for ever. */
const LEFT_OUT = ['shutdown', 'kwait', 'wait', 'quit']

let server: RunningServer
let counter: StepCounter
beforeAll(async () => {
  server = await startServer({
    port: 0,
    // What depends on time takes steps on a slow machine only.
    directives: { 'exec-read-time-limit': '0', 'slowlog-log-slower-than': '-1' },
  })
  counter = new StepCounter()
})
afterAll(async () => {
  counter.stop()
  await server.close()
})

const MARK = Buffer.from('$4\r\nmark\r\n')

/** A client that takes no steps that are counted. */
class Client {
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  static async open(): Promise<Client> {
    const socket = connect(server.port as number, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    const client = new Client(socket)
    await client.send(frame('HELLO', '3'))
    return client
  }

  get closed(): boolean {
    return this.#socket.closed || this.#socket.readyState !== 'open'
  }

  /** Resolves when the requests have been answered, or the server has ended the connection. */
  async send(requests: string): Promise<void> {
    const socket = this.#socket
    let tail = Buffer.alloc(0)
    const answered = new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        tail = Buffer.concat([tail, chunk]).subarray(-MARK.length)
        if (tail.equals(MARK)) resolve()
      })
      socket.on('close', () => resolve())
    })
    socket.write(requests + frame('ECHO', 'mark'), 'latin1')
    await answered
    socket.removeAllListeners('data')
    socket.removeAllListeners('close')
  }

  end(): void {
    this.#socket.destroy()
  }
}

/** Requests that grow with n. The first ones are not counted. */
interface Shape {
  readonly name: string
  readonly before?: (n: number) => string
  readonly counted: (n: number) => string
}

/** A client that has sent what comes before the requests. */
async function prepare({ before }: Shape, n: number): Promise<Client> {
  const client = await Client.open()
  await client.send(frame('FLUSHALL') + frame('SET', 'k', '1') + (before?.(n) ?? ''))
  return client
}

/** The steps that the requests take. */
async function stepsOf(shape: Shape, n: number): Promise<number> {
  const client = await prepare(shape, n)
  const requests = shape.counted(n)
  counter.take()
  await client.send(requests)
  const steps = counter.take()
  client.end()
  return steps
}

/** Sends a short request of the kind, so that what is made once is made. Uncounted, because counting takes longer. */
async function warmUp(shape: Shape): Promise<void> {
  const client = await prepare(shape, 10)
  await client.send(shape.counted(10))
  client.end()
}

async function expectLinear(shape: Shape, n: number): Promise<void> {
  await warmUp(shape)
  const small = await stepsOf(shape, n)
  let large = await stepsOf(shape, GROWTH * n)
  // What is done after every so many writes is not done twice in a row.
  if (!isLinear(small, large)) large = await stepsOf(shape, GROWTH * n)
  if (isLinear(small, large)) return
  expect.soft(`${shape.name}: ${Math.round(small)} steps, then ${Math.round(large)}`).toBe('linear')
}

function isLinear(small: number, large: number): boolean {
  return large <= NOISE + MAX_GROWTH * small
}

const numbered = (n: number, prefix = 'k'): string[] =>
  Array.from({ length: n }, (_, i) => `${prefix}${i}`)
const repeated = (n: number, ...words: string[]): string[] =>
  Array.from({ length: n }, () => words).flat()

/** The options of a command: the token, and whether a value follows. */
function tokensOf(args: readonly Argument[] = []): (readonly [token: string, value: boolean])[] {
  return args.flatMap((arg) => {
    const own = arg.token === undefined ? [] : [[arg.token, arg.type !== 'pure-token'] as const]
    return [...own, ...tokensOf(arg.args)]
  })
}

/** What a long argument consists of. */
const UNITS = ['1', 'x', '*a', 'a/', '[^a', '|\0', '&a=', '-', ' ']

/** Requests with many arguments, and requests with a long one, as the command's declaration allows. */
function shapesOf(names: readonly string[], { arity, args }: Command): [Shape[], Shape[]] {
  const required = Math.abs(arity) - names.length
  const least = repeated(required, 'k')
  const many: Shape[] = []
  if (arity < 0) {
    const fill = (what: string, words: (n: number) => string[]): void => {
      many.push({ name: what, counted: (n) => frame(...names, ...least, ...words(n)) })
    }
    fill('names', numbered)
    fill('the same name', (n) => repeated(n, 'k'))
    fill('numbers', (n) => repeated(n, '1'))
    for (const [token, hasValue] of tokensOf(args)) {
      fill(token, (n) => repeated(n, ...(hasValue ? [token, '1'] : [token])))
    }
  }
  const long: Shape[] = []
  const positions = required + (arity < 0 ? 1 : 0)
  for (let at = 0; at < positions; at++) {
    for (const unit of UNITS) {
      const counted = (n: number): string => {
        const words = repeated(positions, '1')
        words[at] = unit.repeat(n / unit.length)
        return frame(...names, ...words)
      }
      long.push({ name: `${JSON.stringify(unit)} in argument ${at + 1}`, counted })
    }
  }
  return [many, long]
}

const commands = commandTable
  .flatMap((command) => [
    [[command.name], command] as const,
    ...(command.subcommands ?? []).map((sub) => [[command.name, sub.name], sub] as const),
  ])
  .filter(([names, { run }]) => run !== undefined && !LEFT_OUT.includes(names[0]))

/** Of the requests with a long argument one in so many is tried; others for each command. */
const EVERY = Number(process.env.KTREE_LINEAR_EVERY ?? 20)

test.each(commands.map(([names, command], i) => [names, command, i] as const))(
  '%s takes steps in proportion to its request',
  async (names, command, first) => {
    const [many, long] = shapesOf(names, command)
    for (const shape of many) await expectLinear(shape, ARGUMENTS)
    for (let i = first % EVERY; i < long.length; i += EVERY) await expectLinear(long[i], BYTES)
  },
)

const joined = (requests: readonly (readonly string[])[]): string =>
  requests.map((words) => frame(...words)).join('')
const pairs = (keys: readonly string[]): string[] => keys.flatMap((key) => [key, 'v'])
const deep = (n: number): string => `/${'a/'.repeat(Math.min(n, 1000))}`

/** What grows with an earlier request, or in two ways at once. */
const sequences: readonly Shape[] = [
  {
    name: 'SUBSCRIBE, one channel a request',
    counted: (n) => joined(numbered(n).map((channel) => ['SUBSCRIBE', channel])),
  },
  {
    name: 'SUBSCRIBE to tree channels',
    counted: (n) => frame('SUBSCRIBE', ...numbered(n, '/k')),
  },
  {
    name: 'UNSUBSCRIBE from all',
    before: (n) => frame('SUBSCRIBE', ...numbered(n), ...numbered(n, '/k')),
    counted: () => frame('UNSUBSCRIBE'),
  },
  {
    name: 'PUNSUBSCRIBE from all',
    before: (n) => frame('PSUBSCRIBE', ...numbered(n), ...numbered(n, '/k')),
    counted: () => frame('PUNSUBSCRIBE'),
  },
  {
    name: 'RESET of subscriptions and watches',
    before: (n) => frame('SUBSCRIBE', ...numbered(n, '/k')) + frame('WATCH', ...numbered(n)),
    counted: () => frame('RESET'),
  },
  {
    name: 'PUBLISH to many patterns',
    before: (n) => frame('PSUBSCRIBE', ...numbered(n, '*k')),
    counted: () => frame('PUBLISH', 'channel', 'message'),
  },
  {
    name: 'a write, with many tree patterns',
    before: (n) => frame('PSUBSCRIBE', ...numbered(n, '/*k')),
    counted: () => frame('SET', 'key', 'v'),
  },
  {
    name: 'a deep write, with a watcher at each level',
    before: (n) =>
      joined(Array.from({ length: n }, (_, i) => ['SUBSCRIBE', `${deep(i)}?recursive=true`])),
    counted: (n) => frame('SET', `${deep(n)}k`, 'v'),
  },
  {
    name: 'WATCH of deep paths',
    counted: (n) => joined(numbered(n).map((key) => ['WATCH', `/${key}${deep(100)}`])),
  },
  {
    name: 'WATCH of paths, some the beginning of others',
    counted: (n) => joined(numbered(n).map((key, i) => ['WATCH', `${deep(i % 50)}${key}`])),
  },
  {
    name: 'FLUSHALL with many watches',
    before: (n) => frame('MSET', ...pairs(numbered(n))) + frame('WATCH', ...numbered(n)),
    counted: () => frame('FLUSHALL'),
  },
  {
    name: 'MULTI and EXEC',
    counted: (n) => joined([['MULTI'], ...numbered(n).map((key) => ['SET', key, 'v']), ['EXEC']]),
  },
  {
    name: 'MSET of keys in directories',
    counted: (n) => frame('MSET', ...pairs(numbered(n).map((key, i) => `${i % 100}/${key}`))),
  },
  {
    name: 'MSET of keys in directories of their own',
    counted: (n) => frame('MSET', ...pairs(numbered(n).map((key) => `${key}/a`))),
  },
  {
    name: 'MSET of deep keys that lie below one another',
    counted: (n) => frame('MSET', ...pairs([`${deep(n)}a`, ...repeated(n, `${deep(20)}b`)])),
  },
  {
    name: 'DEL of keys that exist',
    before: (n) => frame('MSET', ...pairs(numbered(n))),
    counted: (n) => frame('DEL', ...numbered(n)),
  },
  {
    name: 'KEYS',
    before: (n) => frame('MSET', ...pairs(numbered(n))),
    counted: () => frame('KEYS', '*1*'),
  },
  {
    name: 'KGET of a directory',
    before: (n) => frame('MSET', ...pairs(numbered(n, 'd/k'))),
    counted: () => frame('KGET', '/d', 'RECURSIVE', 'SORTED'),
  },
  {
    name: 'RENAME of a directory',
    before: (n) => frame('MSET', ...pairs(numbered(n, 'd/k'))),
    counted: () => frame('RENAME', 'd', 'e'),
  },
  {
    name: 'COMMAND GETKEYS',
    counted: (n) => frame('COMMAND', 'GETKEYS', 'MSET', ...pairs(numbered(n))),
  },
  ...['MGET', 'PUBLISH', 'SUBSCRIBE'].map((name) => ({
    name: `${name}, denied by many selectors`,
    before: (n: number) =>
      frame('ACL', 'SETUSER', 'narrow', 'reset', 'on', 'nopass', '+auth', '+echo') +
      frame('ACL', 'SETUSER', 'narrow', ...numbered(n, '(+@all ~only-').map((rule) => `${rule})`)) +
      frame('AUTH', 'narrow', ''),
    counted: (n: number) => frame(name, ...(name === 'PUBLISH' ? ['a', 'b'] : numbered(n))),
  })),
  {
    name: 'PSUBSCRIBE to a long tree pattern, compared with many rules',
    before: (n) =>
      frame('ACL', 'SETUSER', 'narrow', 'reset', 'on', 'nopass', '+auth', '+echo', '+psubscribe') +
      frame('ACL', 'SETUSER', 'narrow', ...numbered(n, '~only-').map((rule) => `${rule}/*`)) +
      frame('AUTH', 'narrow', ''),
    counted: (n) => frame('PSUBSCRIBE', `/${'x'.repeat(10 * n)}*`),
  },
  {
    name: 'CONFIG SET of a long unknown name, and others',
    counted: (n) => frame('CONFIG', 'SET', 'x'.repeat(n), ...pairs(numbered(n, 'x'))),
  },
]

test.each(sequences)('$name takes steps in proportion', async (shape) => {
  await expectLinear(shape, ARGUMENTS)
})

test.each([
  ['of a user that others are not', ['elsewhere', 'resetkeys'], ['elsewhere', '~k']],
  ['that takes nothing away', ['narrow', '~k', '+get'], ['narrow', '~l']],
])('EXEC of many changes %s looks at no other client', async (_, ...changes) => {
  const define = ['narrow', 'elsewhere']
    .map((name) => frame('ACL', 'SETUSER', name, 'reset', 'on', 'nopass', '+@all', '~base'))
    .join('')
  const others: Client[] = []
  const steps: number[] = []
  const requests = joined([
    ['MULTI'],
    ...repeated(100, 'x').flatMap(() => changes.map((each) => ['ACL', 'SETUSER', ...each])),
    ['EXEC'],
  ])
  const before = define + frame('ACL', 'SETUSER', 'narrow', '-set') + requests
  for (const count of [10, 200]) {
    while (others.length < count) others.push(await Client.open())
    await others[0].send(before)
    for (const other of others) await other.send(frame('AUTH', 'narrow', ''))
    const shape = { name: '', before: () => before, counted: () => requests }
    // The lower one, because a timer may have looked at all clients meanwhile.
    steps.push(Math.min(await stepsOf(shape, 1), await stepsOf(shape, 1)))
  }
  for (const other of others) other.end()
  expect(steps[1]).toBeLessThan(steps[0] + NOISE)
})

/** States that are none. JSON.parse would make an object of every few bytes. */
test.each([
  ['arrays', (n: number) => `[${'[],'.repeat(n / 3)}[]]`],
  ['objects', (n: number) => `[${'{},'.repeat(n / 3)}{}]`],
  ['numbers', (n: number) => `[${'1,'.repeat(n / 2)}1]`],
  ['nested arrays', (n: number) => '['.repeat(n)],
  ['fields', (n: number) => `{${numbered(n / 10).map((key) => `"${key}":1`)}}`],
  ['backslashes', (n: number) => `"${'\\\\'.repeat(n / 2)}`],
  ['quotes', (n: number) => `[${'"\\"",'.repeat(n / 5)}`],
])('KRECOVER of %s makes nothing of them', async (name, state) => {
  const parse = vi.spyOn(JSON, 'parse')
  const shape = { name, counted: (n: number) => frame('KRECOVER', state(n)) }
  await expectLinear(shape, 10 * BYTES)
  expect(parse.mock.calls.filter(([text]) => text.length > BYTES).length).toBeLessThan(3)
  parse.mockRestore()
})

/** Patterns of n bytes and texts of n bytes that almost match. */
const globs: readonly (readonly [what: string, pattern: (n: number) => string])[] = [
  ['stars', (n) => '*a'.repeat(n / 4)],
  ['stars, and an end that is not there', (n) => `${'*a'.repeat(n / 4)}b`],
  ['one long segment', (n) => `*${'a'.repeat(n / 2)}b*`],
  ['many short segments', (n) => `${'*aab'.repeat(n / 4)}*`],
  ['many segments with a question mark', (n) => `${'*a?b'.repeat(n / 4)}*`],
  ['a long class', (n) => `*[${'b'.repeat(n / 2)}]`],
  ['many classes', (n) => `*${'[a-c]'.repeat(5)}${'[b]'.repeat(n / 4)}*`],
]

test.each(globs)('a pattern of %s takes steps in proportion', async (name, pattern) => {
  const text = (n: number): string => 'a'.repeat(n)
  await expectLinear(
    {
      name: `PUBLISH, ${name}`,
      before: (n) => frame('PSUBSCRIBE', pattern(n)),
      counted: (n) => frame('PUBLISH', text(n), 'm'),
    },
    BYTES,
  )
  await expectLinear(
    {
      name: `KEYS, ${name}`,
      before: (n) => frame('SET', text(n), '1'),
      counted: (n) => frame('KEYS', pattern(n)),
    },
    BYTES,
  )
})

test('a pattern of one long segment with question marks takes 1/32 of the product', async () => {
  const n = 32_000
  const steps = await stepsOf(
    {
      name: '',
      before: () => frame('PSUBSCRIBE', `*${'a?'.repeat(n / 4)}b*`),
      counted: () => frame('PUBLISH', 'a'.repeat(n), 'm'),
    },
    n,
  )
  expect(steps).toBeLessThan((n * n) / 32)
})
