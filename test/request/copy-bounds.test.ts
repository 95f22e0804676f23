import { expect, test } from 'vitest'
import { commandTable } from '../../src/commands/table.ts'
import { catalogueOf } from '../../src/request/access-of-command.ts'
import { COPY_SLACK_BYTES, takenByExec } from '../../src/request/copy-bounds.ts'
import { MOST_COPIED_BYTES } from '../../src/request/exec-limits.ts'
import { prepareCommand } from '../../src/request/prepared-command.ts'
import { Transaction } from '../../src/request/transaction.ts'
import type { RequestArguments } from '../../src/resp/request-arguments.ts'
import { Store } from '../../src/store/store.ts'

const MB = 1024 ** 2
const catalogue = catalogueOf(commandTable)
const prepared = new Map(
  commandTable.map((command) => [command.name, prepareCommand(command, command.name, catalogue)]),
)
const store = new Store()
store.set('/short', 'x')
store.set('/large', Buffer.alloc(10 * MB))
store.set('/dir/large', Buffer.alloc(10 * MB))

const copies = (count: number, from: string): RequestArguments[] =>
  Array.from({ length: count }, (_, i) => ['COPY', from, `to${i}`])

/** @param length of the longest value that can be at a key of the EXEC; undefined if no value can be bounded */
test.each<[what: string, requests: RequestArguments[], length: number | undefined]>([
  ['copies a value that stands', copies(3, 'large'), 10 * MB],
  ['copies a short one', copies(3, 'short'), 1],
  ['copies none that is there', copies(3, 'none'), 0],
  ['sets what it copies', [['SET', 'none', 'x'.repeat(MB)], ...copies(3, 'none')], MB],
  ['fills what it copies', [['SETRANGE', 'a', `${5 * MB}`, 'x'], ...copies(3, 'a')], 5 * MB],
  ['moves what it copies', [['RENAME', 'large', 'none'], ...copies(3, 'none')], 10 * MB],
  ['copies copies', [['COPY', 'large', 'none'], ...copies(3, 'none')], 10 * MB],
  ['moves a directory', [['RENAME', 'dir', 'new'], ...copies(3, 'new/large')], undefined],
  ['copies more than it may', copies(80, 'large'), undefined],
  ['copies many short ones', copies(20_000, 'short'), undefined],
])('an EXEC that %s takes what it may copy, and has a bound', (_, requests, length) => {
  const transaction = new Transaction()
  const find = ([name]: RequestArguments) => prepared.get(name.toLowerCase())
  for (const args of requests) transaction.requests.push(args)
  transaction.copyBound = 1
  const taken = takenByExec(transaction, find, store)
  const { copyBound } = transaction
  if (length === undefined) {
    expect(copyBound).toBeUndefined()
    expect(taken).toBeGreaterThanOrEqual(MOST_COPIED_BYTES)
    return
  }
  const count = requests.filter(([name]) => name === 'COPY').length
  expect(copyBound).toBeGreaterThanOrEqual(length + COPY_SLACK_BYTES)
  expect(taken).toBeGreaterThanOrEqual(count * (copyBound ?? 0))
  expect(taken).toBeLessThan(1.1 * count * (length + COPY_SLACK_BYTES) + length + 10_000)
})
