import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import { startServer } from '../../src/server/start.ts'
import { LARGE_VALUE_BYTES } from '../../src/store/value.ts'
import { join } from '../server/raw-client.ts'
import { temporaryDirectory } from './support.ts'

const L = LARGE_VALUE_BYTES
const LENGTHS = [0, L - 1, L, L + 1, 1_000_000]
const binary = (length: number): string =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => i % 256)).toString('latin1')

test('values of any length and their events are the same after a restart', async () => {
  const directives = { dir: temporaryDirectory(), durability: 'always' }
  const before = await startServer({ port: 0, directives })
  const writer = await join(before)
  for (const length of LENGTHS) {
    await writer.call('SET', `k${length}`, binary(length))
    await writer.call('APPEND', `k${length}`, binary(length))
    await writer.call('KSET', '/t', binary(length), 'EX', 1000)
  }
  await writer.call('DEL', `k${L}`)
  const state = (await writer.call('KSAVE')) as string
  const { index } = before.store
  await before.close()

  const after = await startServer({ port: 0, directives })
  const reader = await join(after)
  for (const length of LENGTHS) {
    const value = (await reader.call('GET', `k${length}`)) as string | null
    expect(value === (length === L ? null : binary(length) + binary(length))).toBe(true)
    const file = after.store.lookup(`/k${length}`)
    if (file?.dir === false) expect(typeof file.value === 'string').toBe(file.value.length < L)
  }
  // The order of children may differ, and the time that is left.
  const withoutTtl = (json: string): unknown => JSON.parse(json.replace(/"ttl":\d+,/g, ''))
  const same = isDeepStrictEqual(
    withoutTtl((await reader.call('KSAVE')) as string),
    withoutTtl(state),
  )
  expect(same).toBe(true)
  await reader.call('SUBSCRIBE', '/?recursive=true&since=1')
  let last = ''
  for (let i = 0; i < index; i++) last = ((await reader.next()) as readonly string[])[2]
  expect(JSON.parse(last)).toMatchObject({ action: 'delete', index })
  await after.close()
})
