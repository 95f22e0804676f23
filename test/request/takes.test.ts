import { expect, test } from 'vitest'
import { commandTable } from '../../src/commands/table.ts'
import { encodeString } from '../../src/rdb/string-payload.ts'
import { catalogueOf } from '../../src/request/access-of-command.ts'
import { prepareCommand } from '../../src/request/prepared-command.ts'
import type { RequestArguments } from '../../src/resp/request-arguments.ts'
import { Store } from '../../src/store/store.ts'
import { bytesOf } from '../../src/store/value.ts'

const times = (count: number, value: string): string[] => Array<string>(count).fill(value)
const MB = 1024 ** 2
const catalogue = catalogueOf(commandTable)
const store = new Store()
store.set('/large', Buffer.alloc(10 * MB))

test.each<[string, RequestArguments, number]>([
  ['SET', ['SET', 'large', 'x'.repeat(3 * MB)], 3 * MB],
  ['SETRANGE of a missing key', ['SETRANGE', 'k', '60000000', 'x'], 60_000_000],
  ['SETRANGE in a long value', ['SETRANGE', 'large', '7', 'x'], 10 * MB],
  ...['ten', '1e999', '-1e999', 'NaN', '9007199254740993', '0.1', '1e-3', '268435457'].map(
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
  ['SET of an ordinary name', ['SET', '/jobs/1', 'x'], 0],
  ['DEL of a deep name', ['DEL', '/d'.repeat(380)], 0],
  ['MSET of deep paths', ['MSET', ...times(45, '/x'.repeat(1000))], 23 * 1000 * 400],
])('%s takes what it may add to the tree', (_, args, bytes) => {
  const command = commandTable.find(({ name }) => name === args[0].toLowerCase())
  if (command === undefined) throw new Error('no such command')
  const taken = prepareCommand(command, command.name, catalogue).takes(args, store)
  expect(Number.isInteger(taken)).toBe(true)
  expect(taken).toBeGreaterThanOrEqual(bytes)
  expect(taken).toBeLessThan(1.1 * bytes + 1000)
})

test('RESTORE takes as much as its payload may expand to', () => {
  const [restore] = commandTable.filter(({ name }) => name === 'restore')
  const { takes } = prepareCommand(restore, 'restore', catalogue)
  const payload = encodeString(Buffer.alloc(10 * MB))
  expect(payload.length).toBeLessThan(MB)
  expect(takes(['RESTORE', 'k', '0', payload], store)).toBeGreaterThan(10 * MB)
  const longest = Buffer.concat([bytesOf(payload), Buffer.alloc(50 * MB)])
  expect(takes(['RESTORE', 'k', '0', longest], store)).toBeLessThan(600 * MB)
  const plain = encodeString('abc')
  expect(takes(['RESTORE', 'k', '0', plain], store)).toBeLessThan(1000)
})
