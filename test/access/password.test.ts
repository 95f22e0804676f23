import { createRequire } from 'node:module'
import { expect, test, vi } from 'vitest'
import { hashPassword } from '../../src/access/password.ts'

vi.mock('node:module', async (original) => {
  const module = await original<typeof import('node:module')>()
  return { ...module, createRequire: vi.fn(module.createRequire) }
})

test('a password is hashed as Redis does, and node:crypto loaded once for all', () => {
  expect(hashPassword('secret')).toBe(
    '2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b',
  )
  // A binary string: one byte a character.
  expect(hashPassword('\xff')).toBe(
    'a8100ae6aa1940d0b663bb31cd466142ebbdbd5187131b92d93818987832eb89',
  )
  expect(createRequire).toHaveBeenCalledTimes(1)
})
