import { expect, test } from 'vitest'
import type { Category } from '../../src/access/categories.ts'
import { CommandCatalogue } from '../../src/access/command-catalogue.ts'
import { Users } from '../../src/access/users.ts'

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

test('whoever listens is told of changes and removals', () => {
  const users = make()
  const told: string[] = []
  users.listener = {
    onChanged: ({ name }) => told.push(`${name} changed`),
    onRemoved: ({ name }) => told.push(`${name} removed`),
  }
  users.set('a', ['on'])
  users.set('a', ['off'])
  expect(users.remove('a')).toBe(true)
  expect(users.remove('a')).toBe(false)
  expect(users.remove('default')).toBe(false)
  users.set('b', [])
  users.load('user c on\n', 'users.acl')
  expect(told).toEqual(['a changed', 'a removed', 'b removed', 'default changed'])
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
