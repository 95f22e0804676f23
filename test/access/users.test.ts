import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import type { Category } from '../../src/access/categories.ts'
import { CommandCatalogue } from '../../src/access/command-catalogue.ts'
import { Users } from '../../src/access/users.ts'
import { formatUserLine, parseUserLine } from '../../src/config/user-lines.ts'
import { MAX_NAME_BYTES } from '../../src/request/arguments/pattern.ts'
import { quoteWord, splitWords } from '../../src/text/quoting.ts'

const read = vi.hoisted(() => ({ count: 0 }))
vi.mock('../../src/access/path-pattern.ts', async (original) => {
  const { PathPattern } = await original<typeof import('../../src/access/path-pattern.ts')>()
  return {
    PathPattern: class extends PathPattern {
      constructor(pattern: string) {
        super(pattern)
        read.count++
      }
    },
  }
})

const described = vi.hoisted(() => ({ count: 0 }))
vi.mock('../../src/access/describe-commands.ts', async (original) => {
  const all = await original<typeof import('../../src/access/describe-commands.ts')>()
  return {
    ...all,
    commandRules: (...args: Parameters<typeof all.commandRules>) => {
      described.count++
      return all.commandRules(...args)
    },
  }
})

const command = (name: string, ...categories: Category[]) => ({ name, categories, subcommands: [] })
const catalogue = new CommandCatalogue([
  command('get', 'read', 'fast'),
  command('set', 'write', 'slow'),
  { ...command('config', 'slow'), subcommands: [command('get', 'admin'), command('set', 'admin')] },
])
const make = (): Users => new Users(catalogue, () => false)

test('everything is allowed to the default user, and nothing to a new one', () => {
  const users = make()
  expect(users.loginRequired).toBe(false)
  expect(users.default.unrestricted).toBe(true)
  users.set('new', [])
  expect(users.describe()).toEqual([
    'user default on nopass ~* &* +@all',
    'user new off resetchannels -@all',
  ])
})

test('a user is let in by each of its passwords, once it is enabled', () => {
  const users = make()
  users.set('a', ['>one', '>two'])
  expect(users.authenticate('a', 'one')).toBeUndefined()
  users.set('a', ['on'])
  const user = users.get('a')
  expect(['one', 'two', 'three', ''].map((each) => users.authenticate('a', each))).toEqual([
    user,
    user,
    undefined,
    undefined,
  ])
  users.set('a', ['<one', 'nopass'])
  expect(users.authenticate('a', 'three')).toBe(user)
  expect(users.authenticate('b', 'one')).toBeUndefined()
})

test('a certificate stands for the enabled user of its name, password or not', () => {
  const users = make()
  users.set('a', ['on', '>secret'])
  users.set('b', [])
  expect(['a', 'b', 'c'].map((name) => users.authenticateCertificate(name)?.name)).toEqual([
    'a',
    undefined,
    undefined,
  ])
})

test('of rules that cannot be taken all are refused, and the user stays as it was', () => {
  const users = make()
  users.set('a', ['on', '+get'])
  expect(() => users.set('a', ['+set', '~x*', '+nope'])).toThrow(
    "modifier '+nope': Unknown command",
  )
  expect(users.get('a')?.describe()).toBe('on resetchannels -@all +@read')
  expect(() => users.set('b', ['nope'])).toThrow('Syntax error')
  expect(users.get('b')).toBeUndefined()
})

test('whoever listens is told of users that lose rights, and of removals', () => {
  const users = make()
  const told: string[] = []
  users.listener = {
    onNarrowed: ({ name }) => told.push(`${name} narrowed`),
    onRemoved: ({ name }) => told.push(`${name} removed`),
  }
  users.set('a', ['on'])
  users.set('a', ['off', '~x', '+get'])
  users.set('a', ['-get'])
  expect(users.remove('a')).toBe(true)
  expect(users.remove('a')).toBe(false)
  expect(users.remove('default')).toBe(false)
  users.set('b', [])
  users.load('user c on\nuser default on\n', 'users.acl')
  expect(told).toEqual(['a narrowed', 'a removed', 'b removed', 'default narrowed'])
})

const RIGHTS = '%R~a %W~a %R~b &c +get +config|get +set|0'.split(' ')

test.each([
  ['the same rules', ['~a', '&c', '+get'], false],
  ['more rules', ['~b', '&d', '+set', '(~x +@all)'], false],
  ['a rule that others make up for', ['~*', '&*', '+@all', '-get', '+get'], false],
  ['all through another selector', ['clearselectors', 'resetkeys', '(~* &* +@all)'], false],
  ['a password, or the switch', ['off', '>secret'], false],
  ['no keys', ['resetkeys'], true],
  ['one key less', ['resetkeys', '~a'], true],
  ['a key that may be read no more', ['resetkeys', '%W~a', '~b'], true],
  ['no channels', ['resetchannels'], true],
  ['another channel', ['resetchannels', '&d'], true],
  ['a command less', ['-get'], true],
  ['a subcommand less', ['-config|get'], true],
  ['a first argument less', ['-set', '+set|1'], true],
  ['another selector less', ['clearselectors'], true],
  ['less through another selector', ['clearselectors', '(~x -@all &x)'], true],
] as const)('listeners are told of a user that has lost rights: %s', (_, rules, isTold) => {
  const users = make()
  let told = false
  users.set('a', ['on', ...RIGHTS, '(~x +get &x)'])
  users.listener = {
    onNarrowed: () => {
      told = true
      return 0
    },
    onRemoved: () => {},
  }
  users.set('a', rules)
  expect(told).toBe(isTold)
})

test('a change copies no selector but the root one, and changes none that is shared', () => {
  const users = make()
  users.set('a', ['+get', '(~x +get)', '(~y +get)'])
  const before = users.get('a')?.selectors ?? []
  users.set('a', ['~z', '-get', '(~more +get)'])
  const after = users.get('a')?.selectors ?? []
  expect(after.slice(1, 3)).toEqual(before.slice(1))
  expect(after[1]).toBe(before[1])
  expect(after[2]).toBe(before[2])
  expect(after[0]).not.toBe(before[0])
  expect(() => users.set('a', ['(~late +get)', 'clearselectors', '-nope'])).toThrow()
  expect(users.get('a')?.selectors).toEqual(after)
})

test('a user is unrestricted only if one selector allows everything', () => {
  const users = make()
  users.set('a', ['+@all', '~*', '&x'])
  expect(users.get('a')?.unrestricted).toBe(false)
  users.set('a', ['(+@all ~* &*)'])
  expect(users.get('a')?.unrestricted).toBe(true)
  users.set('a', ['clearselectors', '&y'])
  expect(users.get('a')?.unrestricted).toBe(false)
  users.set('a', ['allchannels', '-config|get'])
  expect(users.get('a')?.unrestricted).toBe(false)
})

test('a pattern that is longer than a key or a channel is refused', () => {
  const users = make()
  const longest = 'x'.repeat(MAX_NAME_BYTES)
  for (const prefix of ['~', '%R~', '&', '+get|']) {
    expect(() => users.set('a', [`${prefix}${longest}x`])).toThrow('The pattern is longer')
    users.set('a', [`${prefix}${longest}`])
  }
})

/** All users as read again from an ACL file, and from a conf file. */
function readAgain(users: Users): Users[] {
  const fromFile = make()
  fromFile.load(users.describeForFile().join('\n'), 'users.acl')
  const fromConf = make()
  for (const user of users.all.filter(({ name }) => name !== 'default')) {
    const line = formatUserLine(user.name, user.describeForFile())
    expect(line).not.toMatch(/[\r\n]/)
    const { name, rules } = parseUserLine((splitWords(line) ?? []).slice(1), new Set())
    fromConf.define(name, rules)
    expect(users.isDefinedBy(name, rules)).toBe(true)
  }
  return [fromFile, fromConf]
}

test('no first argument is read again as something else, whatever is in it', () => {
  const piece = fc.constantFrom(
    ...[' ', '\t', '\n', '\r', '\v', '\f', '\x85', '\xa0', '"', "'", '\\', '\\x20', '(', ')', 'x'],
    ...[
      '~*',
      ' ~* ',
      '+@all',
      ' +@all',
      ' on',
      ' &*',
      '\nuser b on nopass +@all ~*',
      '|',
      '#',
      '*',
    ],
  )
  const argument = fc
    .array(piece, { minLength: 1, maxLength: 5 })
    .map((pieces) => pieces.join(''))
    .filter((text) => !text.includes('|'))
  fc.assert(
    fc.property(argument, argument, fc.boolean(), (first, second, inSelector) => {
      const users = make()
      const rules = [`+get|${first}`, `+set|${second}`, '~a']
      users.set('u', inSelector ? [`(${rules.map(quoteWord).join(' ')})`] : rules)
      const rights = (of: Users): unknown =>
        of
          .get('u')
          ?.selectors.map((selector) => [
            [...selector.firstArguments.values()].map((args) => [...args.keys()]),
            [...selector.commands],
            selector.describeKeys(),
            selector.describeChannels(),
          ])
      for (const read of readAgain(users)) {
        expect(rights(read)).toEqual(rights(users))
        expect(read.all.map(({ name }) => name)).toEqual(['default', 'u'])
      }
    }),
    { numRuns: 300 },
  )
})

test('a line of a conf file is another user, if only a blank tells them apart', () => {
  const users = make()
  users.set('u', ['+get|x +set'])
  expect(users.isDefinedBy('u', ['+get|x', '+set'])).toBe(false)
  expect(users.isDefinedBy('u', ['+get|x +set'])).toBe(true)
})

test('a name that is longer than CLIENT LIST should show is refused', () => {
  const users = make()
  expect(() => users.set('x'.repeat(1025), [])).toThrow("Usernames can't be longer than 1024 bytes")
  users.set('x'.repeat(1024), [])
})

test('what is written of a user is read as the same, whatever its patterns are', () => {
  const users = make()
  const odd = [
    '"',
    "'",
    '~"',
    '"x"',
    '"\\x2a"',
    "'a'",
    'a)',
    '(',
    ')',
    '()',
    '\\',
    '\\)',
    '\xff"',
    '#',
  ]
  for (const [i, pattern] of odd.entries()) {
    users.set(`${pattern}${i}`, ['+get', `~${pattern}`, `%R~${pattern}x`, `&${pattern}`])
    users.set(`u${i}`, [`(${quoteWord(`~${pattern}`)} ${quoteWord(`&${pattern}`)} +get)`])
  }
  for (const read of readAgain(users)) expect(read.describe()).toEqual(users.describe())
})

test('many rules are read once each, and each pattern once when it is first asked for', () => {
  const users = make()
  read.count = 0
  const names = Array.from({ length: 1000 }, (_, i) => `${String.fromCharCode(97 + (i % 26))}${i}`)
  users.set('a', [
    '+get',
    ...names.map((name) => `~${name}/*`),
    ...names.map((name) => `(~${name})`),
  ])
  users.set('a', ['on', ...names.map((name) => `>${name}`)])
  expect(read.count).toBe(0)
  const user = users.get('a')
  expect(['/c2/x', '/c2', '/c', '/c999/x', '/'].map((path) => user?.mayRead(path))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ])
  expect(read.count).toBeLessThanOrEqual(2 * names.length)
  expect([user?.mayRead('/c2'), user?.mayRead('/c2')]).toEqual([true, true])
  users.set('a', ['~more'])
  expect([user?.mayRead('/more'), user?.mayRead('/c2')]).toEqual([true, true])
  expect(read.count).toBeLessThanOrEqual(2 * names.length + 1)
  users.set('a', ['clearselectors', 'resetkeys'])
  expect(user?.mayRead('/c2')).toBe(false)
  expect(user?.passwords).toHaveLength(names.length)
})

test('thousands of first arguments and channels are each compared with none of the others', () => {
  const users = make()
  const names = Array.from({ length: 20_000 }, (_, i) => `x${i}`)
  const lower = vi.spyOn(String.prototype, 'toLowerCase')
  try {
    users.set('a', ['-@all', 'resetchannels', ...names.map((name) => `+get|${name}`)])
    users.set('a', [...names.map((name) => `&${name}`), '+get|X1'])
    expect(lower.mock.calls.length).toBeLessThan(10 * names.length)
  } finally {
    lower.mockRestore()
  }
  const described = users.get('a')?.describe() ?? ''
  expect(described.startsWith('off')).toBe(true)
  expect(described.split(' ').filter((rule) => rule.startsWith('+get|'))).toHaveLength(20_000)
  expect(described.split(' ').filter((rule) => rule.startsWith('&'))).toHaveLength(20_000)
})

test('the rules of commands are worked out once, and again when a rule is added', () => {
  const users = make()
  users.set('user', ['on', '+get', '(+set ~a)'])
  const before = described.count
  const [, first] = users.describe()
  for (let i = 0; i < 3; i++) expect(users.describe()[1]).toBe(first)
  // One for each selector of the two users, at most.
  expect(described.count).toBeLessThanOrEqual(before + 3)
  users.set('user', ['+set'])
  expect(users.describe()[1]).not.toBe(first)
})

test('the order of users is worked out when one has come or gone, and no sooner', () => {
  const users = make()
  const names = () => users.all.map(({ name }) => name)
  users.set('b', [])
  expect(names()).toEqual(['b', 'default'])
  const { all } = users
  users.set('b', ['on', '+get'])
  users.setDefaultPassword('secret')
  expect(users.all).toBe(all)
  users.set('a', [])
  expect(names()).toEqual(['a', 'b', 'default'])
  expect(users.remove('b')).toBe(true)
  expect(names()).toEqual(['a', 'default'])
  users.define('c', ['on'])
  expect(names()).toEqual(['a', 'c', 'default'])
  users.load('user d on\nuser 0 off\n', 'file')
  expect(names()).toEqual(['0', 'd', 'default'])
  for (const user of users.all) expect(users.get(user.name)).toBe(user)
})

test('a line of a conf file that says a user in its own words is not worked out again', () => {
  const users = make()
  users.set('u', ['on', '>secret', '+@all', '-set', '~a', '(+get ~b)'])
  const rules = users.get('u')?.describeForFile().split(' ') ?? []
  const before = described.count
  for (let i = 0; i < 100; i++) expect(users.isDefinedBy('u', rules)).toBe(true)
  expect(described.count).toBe(before)
  const root = rules.slice(0, rules.indexOf('~a'))
  expect(users.isDefinedBy('u', [...root, ...rules.slice(root.length), '+set'])).toBe(false)
  expect(users.isDefinedBy('u', ['~a', ...rules])).toBe(true)
  expect(users.isDefinedBy('u', [rules.join(' ')])).toBe(false)
  expect(users.isDefinedBy('other', rules)).toBe(false)
})

test.each<[string, (i: number) => string]>([
  ['passwords', (i) => `#${String(i).padStart(64, '0')}`],
  ['key patterns', (i) => `%R~${i}`],
  ['channels', (i) => `&${i}`],
  ['first arguments', (i) => `+get|${i}`],
  ['selectors', () => '(+get)'],
  ['rules of selectors', (i) => `(+get ~${i} &${i} +set|${i})`],
])('%s count in what it takes to describe a user', (_, rule) => {
  const users = new Users(catalogue, () => false)
  users.set(
    'u',
    Array.from({ length: 1000 }, (_, i) => rule(i)),
  )
  const user = users.get('u')
  const { length } = user?.describe() ?? ''
  expect(length).toBeGreaterThan(3000)
  expect(user?.ruleBytes).toBeGreaterThan(0.9 * length)
  expect(user?.ruleBytes).toBeLessThan(15 * length)
})

test('a user that comes or goes is put into the sorted list, or taken out, and nothing is sorted anew', () => {
  const users = new Users(catalogue, () => false)
  const names = new Set(['default'])
  for (let i = 0; i < 500; i++) users.set(`u${(i * 7) % 500}`, [])
  for (let i = 0; i < 500; i++) names.add(`u${i}`)
  const expected = () => [...names].toSorted()
  const before = users.all
  expect(before.map(({ name }) => name)).toEqual(expected())
  const sort = vi.spyOn(Array.prototype, 'sort')
  for (const name of ['', 'a', 'u25x', 'zz', 'u4', 'default', 'b']) {
    const isNew = !names.has(name)
    if (isNew) users.set(name, [])
    else users.remove(name)
    if (isNew) names.add(name)
    else if (name !== 'default') names.delete(name)
    // Two changes in a row, too.
    if (name !== 'a') expect(users.all.map((user) => user.name)).toEqual(expected())
  }
  expect(sort).not.toHaveBeenCalled()
  sort.mockRestore()
  expect(before.length).toBe(501)
})
