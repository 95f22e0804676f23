import { expect, onTestFinished, test } from 'vitest'
import { MAX_NAME_BYTES } from '../../src/request/arguments/pattern.ts'
import { ErrorReply, join, start } from '../server/raw-client.ts'

/** @returns tells how many words that are too long have been put into maps and sets, or looked for there */
function countLongWords(): () => number {
  let count = 0
  const isLong = (key: unknown): boolean => typeof key === 'string' && key.length > MAX_NAME_BYTES
  const { get, set } = Map.prototype
  const { add, has } = Set.prototype
  const end = (): number => {
    Object.assign(Map.prototype, { get, set })
    Object.assign(Set.prototype, { add, has })
    return count
  }
  onTestFinished(() => void end())
  Map.prototype.get = function (key) {
    if (isLong(key)) count++
    return get.call(this, key)
  }
  Map.prototype.set = function (key, value) {
    if (isLong(key)) count++
    return set.call(this, key, value)
  }
  Set.prototype.add = function (key) {
    if (isLong(key)) count++
    return add.call(this, key)
  }
  Set.prototype.has = function (key) {
    if (isLong(key)) count++
    return has.call(this, key)
  }
  return end
}

test.each([
  ['LATENCY', ['HISTOGRAM'], []],
  ['SHUTDOWN', ['NOSAVE'], new ErrorReply('ERR syntax error')],
])(
  '%s looks for no words in a map or a set that V8 cannot find fast',
  async (command, before, reply) => {
    const client = await join(await start(), 3)
    const words = Array.from({ length: 20 }, (_, i) => `${'x'.repeat(MAX_NAME_BYTES)}${i}`)
    const counted = countLongWords()
    const got = await client.call(command, ...before, ...words)
    expect(counted()).toBe(0)
    expect(got).toEqual(reply)
  },
)
