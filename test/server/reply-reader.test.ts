import { expect, test, vi } from 'vitest'
import { ErrorReply, Push, type Reply, ReplyReader } from './reply-reader.ts'

const pieces = [
  '+OK\r\n',
  '-ERR no\r\n',
  ':12\r\n',
  '#t\r\n',
  '_\r\n',
  '$-1\r\n',
  '*-1\r\n',
  '$0\r\n\r\n',
  '$4\r\na\r\nb\r\n',
  '*0\r\n',
  '*3\r\n*2\r\n:1\r\n*0\r\n%1\r\n+a\r\n$1\r\nb\r\n~1\r\n_\r\n',
  '>2\r\n+message\r\n*1\r\n:1\r\n',
]
const bytes = pieces.join('')
const replies: Reply[] = [
  'OK',
  new ErrorReply('ERR no'),
  12,
  true,
  null,
  null,
  null,
  '',
  'a\r\nb',
  [],
  [[1, []], ['a', 'b'], [null]],
  new Push(['message', [1]]),
]

test.each([1, 2, 3, 7, 1000])('reads replies that come in pieces of %i bytes', (size) => {
  const reader = new ReplyReader()
  const read: Reply[] = []
  let received = ''
  for (let at = 0; at < bytes.length; at += size) {
    reader.add(bytes.slice(at, at + size))
    received += bytes.slice(at, at + size)
    expect(received.endsWith(reader.unread)).toBe(true)
    for (let reply = reader.next(); reply !== undefined; reply = reader.next()) read.push(reply)
    expect(received.endsWith(reader.unread)).toBe(true)
  }
  expect(read).toEqual(replies)
  expect(reader.unread).toBe('')
})

test('waits for nothing after a reply', () => {
  const reader = new ReplyReader()
  for (const [i, piece] of pieces.entries()) {
    reader.add(piece)
    expect(reader.next()).toEqual(replies[i])
  }
})

test('has what is unread of a reply that has not come as a whole', () => {
  const reader = new ReplyReader()
  for (const piece of [':1\r\n*2', '\r\n:2\r', '\n$5\r\nab']) {
    reader.add(piece)
    while (reader.next() !== undefined);
  }
  expect(reader.unread).toBe('*2\r\n:2\r\n$5\r\nab')
  reader.clear()
  reader.add('+new\r\n')
  expect(reader.next()).toBe('new')
})

test('looks at each byte of a long reply once', () => {
  const search = vi.spyOn(String.prototype, 'indexOf')
  const reader = new ReplyReader()
  reader.add('*1000\r\n')
  for (let i = 0; i < 1000; i++) {
    reader.add('$1\r\nx\r\n')
    reader.next()
  }
  expect(search.mock.calls.length).toBeLessThan(4000)
  search.mockRestore()
})
