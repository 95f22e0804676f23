import { expect, test } from 'vitest'
import { LARGE_VALUE_BYTES } from '../../src/store/value.ts'
import { ErrorReply, join, Push, type RawClient, start } from '../server/raw-client.ts'

/** Makes a path as long as a large value, without changing what it names. */
const PADDING = './'.repeat(LARGE_VALUE_BYTES / 2)

async function scene(...rules: string[]): Promise<RawClient> {
  const server = await start()
  const admin = await join(server)
  await admin.call('SET', 'secret', 'hidden')
  await admin.call('ACL', 'SETUSER', 'u', 'on', 'nopass', '+@all', ...rules)
  const user = await join(server, 3)
  await user.call('AUTH', 'u', 'x')
  return user
}

const NOT_A_KEY = new ErrorReply(
  'NOPERM this user has no permissions to access one of the keys used as arguments',
)
const NOT_A_CHANNEL = new ErrorReply(
  'NOPERM this user has no permissions to access one of the channels used as arguments',
)

test('a channel is checked however long it is', async () => {
  const user = await scene('~a/*', '&*')
  const channel = `/${PADDING}secret?since=1`
  for (const request of [
    ['SUBSCRIBE', channel],
    ['KWATCH', channel],
    ['SUBSCRIBE', 'news', `/${PADDING}?recursive=true`],
    ['PSUBSCRIBE', `/${'*'.repeat(LARGE_VALUE_BYTES)}`],
  ]) {
    expect(await user.call(...request)).toEqual(NOT_A_CHANNEL)
  }
  const own = `/${PADDING}a/${'x'.repeat(1000)}`
  expect(await user.call('SUBSCRIBE', own)).toEqual(new Push(['subscribe', own, 1]))
})

test('a key is checked however long it is', async () => {
  const user = await scene('~a/*', '~/')
  const key = `${PADDING}secret`
  for (const request of [
    ['GET', key],
    ['SET', key, 'x'],
    ['MGET', 'a/b', key],
    ['KGET', key],
    ['COPY', key, 'a/b'],
  ]) {
    expect(await user.call(...request)).toEqual(NOT_A_KEY)
  }
  const own = `a/${'x'.repeat(LARGE_VALUE_BYTES)}`
  expect(await user.call('SET', own, 'y'.repeat(LARGE_VALUE_BYTES))).toBe('OK')
  expect(await user.call('GET', own)).toHaveLength(LARGE_VALUE_BYTES)
})

test.each([0, LARGE_VALUE_BYTES, 10 * LARGE_VALUE_BYTES])(
  'an option that a NUL byte ends needs its right with %i bytes behind it, too',
  async (length) => {
    const user = await scene('%W~secret')
    const end = `\0${'x'.repeat(length)}`
    for (const options of [[`GET${end}`], [`IFEQ${end}`, 'hidden'], [`IFNE${end}`, 'x']]) {
      expect(await user.call('SET', 'secret', 'x', ...options)).toEqual(NOT_A_KEY)
    }
    await user.call('MULTI')
    expect(await user.call('SET', 'secret', 'x', `GET${end}`)).toEqual(NOT_A_KEY)
  },
)
