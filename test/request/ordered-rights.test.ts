import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { PathPattern } from '../../src/access/path-pattern.ts'
import { Users } from '../../src/access/users.ts'
import { commandTable } from '../../src/commands/table.ts'
import { catalogueOf } from '../../src/request/access-of-command.ts'
import type { Command } from '../../src/request/command.ts'
import { judgeOrdered } from '../../src/request/ordered-rights.ts'
import { denialAtDirectory, denialOf, denialsOf } from '../../src/request/permission.ts'
import { prepareCommand } from '../../src/request/prepared-command.ts'
import { Transaction } from '../../src/request/transaction.ts'
import type { RequestArguments } from '../../src/resp/request-arguments.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'

const catalogue = catalogueOf(commandTable)

function find(args: RequestArguments) {
  const name = String(args[0]).toLowerCase()
  const command = commandTable.find((each) => each.name === name) as Command
  return prepareCommand(command, name, catalogue)
}

function userWith(...rules: string[]) {
  const users = new Users(catalogue, () => true)
  const { default: user } = users
  for (const rule of ['reset', 'on', 'nopass', ...rules]) user.apply(rule)
  return user
}

/** Counts how often a pattern of a key is compared with one. */
function countTries(): () => number {
  const spies = (['matches', 'coversBelow'] as const).map((name) =>
    vi.spyOn(PathPattern.prototype, name),
  )
  onTestFinished(() => {
    for (const spy of spies) spy.mockRestore()
  })
  return () => spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0)
}

function judge(user: ReturnType<typeof userWith>, requests: readonly string[][]) {
  const transaction = new Transaction()
  for (const request of requests) {
    const args = request as unknown as RequestArguments
    transaction.add(args, find(args))
  }
  const store = new Store({ clock: new ManualClock() })
  return { transaction, logged: judgeOrdered(transaction, user, store, find) }
}

test('the requests of an EXEC are compared once with each pattern that may match their keys, and once below', () => {
  const patterns = Array.from({ length: 100 }, (_, i) => `~z${i}`)
  const user = userWith('+@all', ...patterns)
  const tries = countTries()
  const requests = Array.from({ length: 100 }, () => ['EXPIRE', 'z99', '100'])
  const { logged, transaction } = judge(user, requests)
  expect(logged[0]).toEqual(['FILES', 'EXPIRE', 'z99', '100'])
  expect([transaction.denied?.size, transaction.deniedBelow?.size]).toEqual([0, 100])
  expect(tries()).toBeLessThanOrEqual(100 * 2 * 100)
})

test('patterns that begin with another byte are not tried, for what is below a key neither', () => {
  const patterns = Array.from({ length: 100 }, (_, i) => `~p${i}*`)
  const user = userWith('+@all', ...patterns, '~z*')
  const tries = countTries()
  const { logged } = judge(user, [
    ['EXPIRE', 'z1', '100'],
    ['RENAME', 'z1', 'z2'],
    ['KDEL', '/z1', 'RECURSIVE'],
  ])
  expect(logged.length).toBe(3)
  expect(tries()).toBeLessThanOrEqual(10)
})

const rule = fc.constantFrom(
  ...[
    '~*',
    '~a',
    '~a*',
    '~a/*',
    '~b',
    '%R~b*',
    '%W~b*',
    '~c/d',
    '~*d',
    '+@all',
    '+expire',
    '-rename',
  ],
  ...['&x', 'resetchannels', '(+@all ~b*)', '(+expire ~a/*)', '(+rename ~a %W~c/*)', '(+@all ~c*)'],
)
const key = fc.constantFrom('a', '/a/b', 'b', 'b/../a', 'c/d', 'c', 'ad', '/', '')
const request = fc.oneof(
  fc.tuple(fc.constantFrom('EXPIRE', 'KDEL', 'KSET', 'GETDEL', 'KWAIT', 'KGET'), key),
  fc.tuple(fc.constantFrom('RENAME', 'DEL', 'COPY', 'WATCH', 'MSET', 'SUBSCRIBE'), key, key),
  fc.constantFrom(['FLUSHALL'], ['KDEL', 'a', 'RECURSIVE'], ['PUBLISH', 'x', 'y'], ['PING']),
)

test('what is denied, and what would be at a directory, is the same in one look as in two', () => {
  fc.assert(
    fc.property(
      fc.array(rule, { maxLength: 8 }),
      fc.array(key, { maxLength: 4 }),
      fc.array(request, { minLength: 1, maxLength: 8 }),
      (rules, made, requests) => {
        const user = userWith()
        for (const each of rules) {
          try {
            user.apply(each)
          } catch {
            // A rule that another one stands against.
          }
        }
        const store = new Store({ clock: new ManualClock() })
        for (const path of made) {
          try {
            store.set(`/${path}`, '')
          } catch {
            // The root, a directory, or a path below a file.
          }
        }
        for (const each of requests) {
          const args = each as unknown as RequestArguments
          const { access } = find(args)
          const { now, atDirectory } = denialsOf(user, access, args, store)
          expect(now).toEqual(denialOf(user, access, args, store))
          if (now === undefined) expect(atDirectory).toEqual(denialAtDirectory(user, access, args))
        }
      },
    ),
    { numRuns: 2000 },
  )
})
