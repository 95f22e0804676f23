import { expect, test } from 'vitest'
import { type ErrorCode, StoreError } from '../../src/store/errors.ts'

test.each([
  [100, 'KEYNOTFOUND 100 Key not found (/a) [7]'],
  [101, 'TESTFAILED 101 Compare failed (/a) [7]'],
  [102, 'NOTFILE 102 Not a file (/a) [7]'],
  [104, 'NOTDIR 104 Not a directory (/a) [7]'],
  [105, 'NODEEXIST 105 Key already exists (/a) [7]'],
  [107, 'ROOTRONLY 107 Root is read only (/a) [7]'],
  [108, 'DIRNOTEMPTY 108 Directory not empty (/a) [7]'],
  [401, 'EVENTINDEXCLEARED 401 The event in requested index is outdated and cleared (/a) [7]'],
] as [ErrorCode, string][])('%i as a reply', (code, reply) => {
  const error = new StoreError(code, '/a', 7)
  expect(error.toReply()).toBe(reply)
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ code, cause: '/a', index: 7, name: reply.split(' ')[0] })
})

test('costs no stack, and leaves those of others alone', () => {
  const before = Error.stackTraceLimit
  expect(new StoreError(100, '/a', 1).stack?.split('\n')).toHaveLength(1)
  expect(Error.stackTraceLimit).toBe(before)
})
