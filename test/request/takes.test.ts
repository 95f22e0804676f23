import { expect, test } from 'vitest'
import { commandTable } from '../../src/commands/table.ts'
import { encodeString } from '../../src/rdb/string-payload.ts'
import { catalogueOf } from '../../src/request/access-of-command.ts'
import { prepareCommand } from '../../src/request/prepared-command.ts'
import { bytesOfRequest } from '../../src/request/transaction.ts'
import type { RequestArguments } from '../../src/resp/request-arguments.ts'
import { Store } from '../../src/store/store.ts'
import type { Value } from '../../src/store/value.ts'

const times = (count: number, value: string): string[] => Array<string>(count).fill(value)
const MB = 1024 ** 2
const catalogue = catalogueOf(commandTable)
const store = new Store()
store.set('/large', Buffer.alloc(10 * MB))

test.each<[string, RequestArguments, number]>([
  ['SET', ['SET', 'large', 'x'.repeat(3 * MB)], 3 * MB],
  ['SETRANGE of a missing key', ['SETRANGE', 'k', '60000000', 'x'], 60_000_000],
  ['SETRANGE in a long value', ['SETRANGE', 'large', '7', 'x'], 10 * MB],
  ...['ten', '1e999', '-1e999', 'NaN', '9007199254740993', '0xfffffffffff'].map(
    (offset): [string, RequestArguments, number] => [
      `SETRANGE at ${offset}`,
      ['SETRANGE', 'k', offset, 'x'],
      0,
    ],
  ),
  ['APPEND to a value without room', ['APPEND', 'large', 'x'], 10 * MB],
  ['APPEND to a missing key', ['APPEND', 'k', 'x'], 0],
  ['COPY', ['COPY', 'large', 'other'], 10 * MB],
  ['COPY of nothing', ['COPY', 'k', 'other'], 64 * 1024],
  ['COPY of a path that is too long', ['COPY', '/x'.repeat(10_000), 'other'], 4_019_000],
  ...['SET', 'KSET', 'KCREATE', 'KMKDIR', 'APPEND', 'INCR', 'GETSET'].map(
    (name): [string, RequestArguments, number] => [
      `${name} of a short name with many directories`,
      [name, `/k${'/d'.repeat(380)}`, '1'],
      380 * 400,
    ],
  ),
  ['SET of 30 bytes', ['SET', '/d'.repeat(15), 'x'], 12 * 400],
  ['RENAME to a deep path', ['RENAME', 'k', '/d'.repeat(380)], 380 * 400],
  ['MSET of short names', ['MSET', ...times(200, '/a/b/c')], 298 * 400 + 200 * 38],
  ['SET of an ordinary name', ['SET', '/jobs/1', 'x'], 2 * 400],
  ['KMKDIR of two levels', ['KMKDIR', '/a/b'], 2 * 400],
  ['DEL of a deep name', ['DEL', '/d'.repeat(380)], 0],
  ['MSET of deep paths', ['MSET', ...times(45, '/x'.repeat(1000))], 23 * 1000 * 400],
])('%s takes what it may add to the tree', (_, args, bytes) => {
  const command = commandTable.find(({ name }) => name === args[0].toLowerCase())
  if (command === undefined) throw new Error('no such command')
  const taken = prepareCommand(command, command.name, catalogue).takes(args, store)
  expect(taken).toBeGreaterThanOrEqual(bytes)
  expect(taken).toBeLessThan(1.1 * bytes + 1000)
})

const ODD_NUMBERS = [
  ...[
    '0.1',
    '-0.1',
    '1.5',
    '59999999.5',
    '1e3',
    '1e-3',
    '1e999',
    '-1e999',
    '0x10',
    '0b11',
    '+1',
    '01',
  ],
  ...[
    '-1',
    '-0',
    'NaN',
    'Infinity',
    '-Infinity',
    '',
    ' ',
    ' 7',
    '7 ',
    'ten',
    'null',
    '9'.repeat(400),
  ],
  ...['9007199254740993', '9223372036854775807', '-9223372036854775808', '18446744073709551616'],
]
/** What no value is longer than, and some more. */
const MOST_ADDED_BYTES = 257 * MB
const adding = commandTable.filter(({ adds }) => adds !== undefined)

test.each(adding.map((command) => [command.name, command] as const))(
  '%s adds a whole number of bytes, whatever the client sends',
  (name, command) => {
    const { takes } = prepareCommand(command, name, catalogue)
    const length = Math.abs(command.arity)
    for (let place = 1; place < length; place++) {
      for (const odd of [...ODD_NUMBERS, Buffer.alloc(9000, '1'), Buffer.from([0, 0xc3, 0x81])]) {
        for (const key of ['large', 'k']) {
          const args: [string, ...Value[]] = [name, key, ...times(length - 2, '1')]
          args[place] = odd
          const added = takes(args, store) - bytesOfRequest(args)
          expect([odd, Number.isSafeInteger(added), added >= 0]).toEqual([odd, true, true])
          expect(added).toBeLessThanOrEqual(MOST_ADDED_BYTES)
        }
      }
    }
  },
)

test.each(ODD_NUMBERS)('SETRANGE at %j, which is refused, adds nothing', (offset) => {
  const [setrange] = commandTable.filter(({ name }) => name === 'setrange')
  const { takes } = prepareCommand(setrange, 'setrange', catalogue)
  for (const key of ['large', 'k']) {
    const args: RequestArguments = ['SETRANGE', key, offset, 'x']
    expect(takes(args, store)).toBe(bytesOfRequest(args))
  }
})

test('what would make a value longer than any may be adds nothing', () => {
  const takesOf = (name: string, ...args: [string, ...string[]]): number => {
    const [command] = commandTable.filter((each) => each.name === name)
    return prepareCommand(command, name, catalogue).takes([name, ...args], store)
  }
  const most = 256 * MB
  expect(takesOf('setrange', 'k', `${most - 1}`, 'x')).toBeGreaterThan(most - 1)
  for (const offset of [`${most}`, `${most + 1}`, '999999999999', '9007199254740991'])
    expect([offset, takesOf('setrange', 'large', offset, 'x') < 1000]).toEqual([offset, true])
  // It replies with the length.
  expect(takesOf('setrange', 'large', '7', '')).toBeLessThan(1000)
  const full = new Store()
  full.set('/full', Buffer.alloc(most))
  const [append] = commandTable.filter(({ name }) => name === 'append')
  const { takes } = prepareCommand(append, 'append', catalogue)
  expect(takes(['APPEND', 'full', 'x'], full)).toBeLessThan(1000)
})

test('RESTORE takes what its payload says that the string has', () => {
  const [restore] = commandTable.filter(({ name }) => name === 'restore')
  const { takes } = prepareCommand(restore, 'restore', catalogue)
  const payload = encodeString(Buffer.alloc(10 * MB))
  expect(payload.length).toBeLessThan(MB)
  const args: RequestArguments = ['RESTORE', 'k', '0', payload]
  expect(takes(args, store) - bytesOfRequest(args)).toBe(10 * MB)
  // Text is hardly compressed.
  const random = Array.from({ length: 100_000 }, (_, i) => ((i * 7919) % 251) + (i >> 9)).join(' ')
  const text: RequestArguments = ['RESTORE', 'k', '0', encodeString(random)]
  expect(takes(text, store) - bytesOfRequest(text)).toBe(random.length)
  const plain = encodeString('abc')
  expect(takes(['RESTORE', 'k', '0', plain], store)).toBeLessThan(1000)
})
