import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandTable } from '../../../src/commands/table.ts'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, parseReplies, pipeline, startPair } from './pair.ts'

const OURS = new Set(
  commandTable.flatMap(({ name, subcommands = [] }) => [
    name,
    ...subcommands.map((subcommand) => `${name}|${subcommand.name}`),
  ]),
)

/** A name that neither a command nor a subcommand of Redis has. */
const UNKNOWN = 'zz-unknown'

const ARGUMENTS: readonly (readonly string[])[] = [[], ['k'], ['k', '1', 'a b', '\0\r\n\xff']]

describeWithPeer('redis-server', 'commands that ktree does not have, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair()
  })
  afterAll(() => pair?.stop())

  test("get Redis's error for an unknown command or subcommand", async () => {
    const { redis } = await pair.ask(pipeline('COMMAND LIST'))
    const [all] = parseReplies(redis) as string[][]
    const missing = all.filter((name) => !OURS.has(name))
    // The subcommands of a container that ktree does not have cannot be called.
    const asked = missing.filter((name) => !name.includes('|') || OURS.has(name.split('|')[0]))
    expect(asked).toContain('lpush')
    expect(asked).toContain('client|unblock')
    expect(asked.length).toBeGreaterThan(150)
    for (const name of asked) {
      const words = name.split('|')
      const last = words.length - 1
      // Called as clients would call it: in capitals, and also in a transaction.
      const input = (word: string): string =>
        ARGUMENTS.map((args) => encode(...words.slice(0, last), word, ...args)).join('') +
        pipeline('MULTI') +
        encode(...words.slice(0, last), word, 'k') +
        pipeline('EXEC')
      const shown = words[last].toUpperCase()
      const { redis: theirs } = await pair.ask(input(UNKNOWN))
      const { ktree: ours } = await pair.ask(input(shown))
      expect(ours).toBe(theirs.replaceAll(UNKNOWN, shown))
    }
  })
})
