import { expect, test } from 'vitest'
import { testAlone } from '../cluster/alone.ts'
import {
  ErrorReply,
  eventually,
  join,
  type Push,
  type RawClient,
  start,
} from '../server/raw-client.ts'

const DENIED = new ErrorReply(
  'NOPERM this user has no permissions to access one of the keys used as arguments',
)
const DENIED_BELOW = new ErrorReply(
  'NOPERM this user has no permissions to access all that is below one of the keys used as arguments',
)
const NOT_ALL = new ErrorReply('NOPERM this user has no permissions to access all keys')

async function scene(...rules: string[]): Promise<{ admin: RawClient; user: RawClient }> {
  const server = await start()
  const admin = await join(server)
  await admin.call('ACL', 'SETUSER', 'u', 'on', 'nopass', '+@all', ...rules)
  const user = await join(server, 3)
  await user.call('AUTH', 'u', 'x')
  return { admin, user }
}

/** Each is begun with the right to `a` and all below it, and with that to channel `c`. */
const begun: readonly (readonly [
  name: string,
  requests: readonly (readonly string[])[],
  rules: readonly string[],
])[] = [
  ['a tree channel', [['KWATCH', '/a']], ['resetkeys', '~a/*']],
  ['a recursive tree channel', [['SUBSCRIBE', '/a?recursive=true']], ['resetkeys', '~a']],
  ['a tree pattern', [['PSUBSCRIBE', '/a/*']], ['resetkeys', '~a']],
  ['a channel', [['SUBSCRIBE', 'c']], ['resetchannels']],
  ['KWAIT', [['KWAIT', '/a/x']], ['resetkeys', '~b']],
  ['a recursive KWAIT', [['KWAIT', '/a', 'RECURSIVE']], ['resetkeys', '~a']],
  ['MONITOR', [['MONITOR']], ['-monitor']],
  ['WATCH of a file', [['WATCH', 'a/f']], ['resetkeys', '~a']],
  ['WATCH of a directory', [['WATCH', 'a']], ['resetkeys', '~a']],
]

test.each(begun)(
  '%s ends when the right to it is taken away, and not before',
  async (_, requests, rules) => {
    const { admin, user } = await scene('~a', '~a/*', '&c')
    await admin.call('SET', 'a/f', 'x')
    for (const request of requests) user.send(...request)
    await admin.call('PING')
    await admin.call('ACL', 'SETUSER', 'u', '~more', '&more')
    await admin.call('ACL', 'SETUSER', 'u', '-del')
    expect(user.ended).toBe(false)
    await admin.call('ACL', 'SETUSER', 'u', ...rules)
    await user.closed
  },
)

test('what goes on is not ended: other channels, other users, and those who need no right', async () => {
  const { admin, user } = await scene('~a', '~a/*')
  await user.call('KWATCH', '/a')
  const server = { port: user.socket.remotePort }
  const other = await join(server, 3)
  await other.call('AUTH', 'u', 'x')
  await admin.call('KWATCH', '/b')
  const third = await join(server)
  await third.call('ACL', 'SETUSER', 'u', 'resetkeys', '~a')
  await third.call('ACL', 'SETUSER', 'v', 'on', 'nopass')
  await third.call('ACL', 'DELUSER', 'v')
  expect([user.ended, other.ended, admin.ended]).toEqual([false, false, false])
  await third.call('SET', 'a', '1')
  const message = (await user.next()) as Push
  expect(message.items.slice(0, 2)).toEqual(['message', '/a'])
})

test('nothing that happened after a right was taken away is sent', async () => {
  const { admin, user } = await scene('~a/*')
  await user.call('SUBSCRIBE', '/a/x')
  admin.send('ACL', 'SETUSER', 'u', 'resetkeys')
  admin.send('SET', 'a/x', 'secret')
  await user.closed
  expect(user.unread).not.toContain('secret')
})

test('a watcher below a directory that it may not see is told that its own path is gone', async () => {
  const { admin, user } = await scene('~top/mid/leaf', '~top/mid/leaf/*')
  await admin.call('SET', 'top/mid/leaf/x', '1')
  await admin.call('SET', 'top/mid/other', '1')
  await user.call('KWATCH', '/top/mid/leaf')
  const waiting = await join({ port: user.socket.remotePort })
  await waiting.call('AUTH', 'u', 'x')
  waiting.send('KWAIT', 'top/mid/leaf/x')
  await eventually(() => waiting.unread === '')
  await admin.call('KDEL', '/top/mid', 'RECURSIVE')
  const [, , json] = ((await user.next()) as Push).items
  expect(JSON.parse(String(json))).toEqual({
    action: 'delete',
    node: { key: '/top/mid/leaf', modifiedIndex: 3, createdIndex: 3 },
    index: 3,
  })
  expect(await waiting.next()).toEqual([
    ...['action', 'delete'],
    ...['node', ['key', '/top/mid/leaf/x', 'modifiedIndex', 3, 'createdIndex', 3]],
    ...['index', 3],
  ])
})

test('an error names no path above those that the user may see', async () => {
  const { admin, user } = await scene('~top/mid/leaf')
  expect(await user.call('KGET', 'top/mid/leaf')).toEqual(
    new ErrorReply('KEYNOTFOUND 100 Key not found (/top/mid/leaf) [0]'),
  )
  await admin.call('SET', 'top', 'x')
  expect(await user.call('KGET', 'top/x/../mid/leaf')).toEqual(
    new ErrorReply('NOTDIR 104 Not a directory (/top/mid/leaf) [1]'),
  )
  expect(await user.call('SET', 'top/mid/leaf', 'y')).toEqual(
    new ErrorReply('NOTDIR 104 Not a directory (/top/mid/leaf) [1]'),
  )
  expect(await admin.call('KGET', 'top/mid/leaf')).toEqual(
    new ErrorReply('NOTDIR 104 Not a directory (/top) [1]'),
  )
})

test('a user is told what it lacks: the key, all that is below it, or all keys', async () => {
  const { admin, user } = await scene('~team', '%R~shared/*')
  await admin.call('SET', 'team/x', '1')
  expect(await user.call('KGET', 'other')).toEqual(DENIED)
  expect(await user.call('KGET', 'team')).toEqual(DENIED_BELOW)
  expect(await user.call('WATCH', 'team')).toEqual(DENIED_BELOW)
  expect(await user.call('FLUSHALL')).toEqual(NOT_ALL)
  expect(await user.call('KSAVE')).toEqual(NOT_ALL)
  expect(await user.call('KCREATE', 'team', 'x', 'UNIQUE')).toEqual(DENIED_BELOW)
  await admin.call('ACL', 'SETUSER', 'u', '~team/*')
  expect(await user.call('KGET', 'team', 'RECURSIVE')).toContain('get')
  expect(await user.call('WATCH', 'team')).toBe('OK')
  expect(await admin.call('ACL', 'DRYRUN', 'u', 'KDEL', 'shared', 'RECURSIVE')).toBe(
    "This user has no permissions to access the 'shared' key",
  )
  expect(await admin.call('ACL', 'DRYRUN', 'u', 'FLUSHALL')).toBe(
    'This user has no permissions to access all keys',
  )
})

test('listings and counts are of what the user may read', async () => {
  const { admin, user } = await scene('~a/*', '%W~w/*')
  await admin.call('MSET', 'a/1', 'x', 'a/2', 'x', 'b/1', 'x', 'w/1', 'x')
  expect(await user.call('DBSIZE')).toBe(2)
  expect(((await user.call('KEYS', '*')) as string[]).sort()).toEqual(['a/1', 'a/2'])
  const [, keys] = (await user.call('SCAN', '0')) as [string, string[]]
  expect([...keys].sort()).toEqual(['a/1', 'a/2'])
  for (let i = 0; i < 20; i++) expect(await user.call('RANDOMKEY')).toMatch(/^a\/[12]$/)
  await admin.call('DEL', 'a/1', 'a/2')
  expect(await user.call('RANDOMKEY')).toBe(null)
  await admin.call('ACL', 'SETUSER', 'u', '%R~*')
  expect(await user.call('DBSIZE')).toBe(2)
})

test('two spellings of one pattern are one pattern', async () => {
  const { user } = await scene('%R~a/*', '%W~/b/../a/*')
  expect(await user.call('KSET', 'a/x', '1')).toContain('set')
})

testAlone(
  'the writes of an EXEC have the rights of the moment when it is taken',
  'a deleted user cannot go on with what it has queued',
  async () => {
    const { admin, user } = await scene('~a*', '+acl|deluser')
    await user.call('MULTI')
    await user.call('ACL', 'DELUSER', 'u')
    await user.call('SET', 'a', '1')
    const replies = (await user.call('EXEC')) as unknown[]
    expect(replies[0]).toBe(1)
    expect(replies[1]).toBeInstanceOf(ErrorReply)
    await user.closed
    expect(await admin.call('EXISTS', 'a')).toBe(0)
  },
)
