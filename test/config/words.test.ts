import { expect, test } from 'vitest'
import { commandTable } from '../../src/commands/table.ts'
import { Config, ConfigError } from '../../src/config/config.ts'
import { parseMemory } from '../../src/config/directive-value.ts'
import { type DirectiveName, directiveNames, directives } from '../../src/config/directives.ts'
import type { Command } from '../../src/request/command.ts'
import { join, start } from '../server/raw-client.ts'

/** What every object inherits, and so is found in a plain one under a client's word. */
const inherited = Object.getOwnPropertyNames(Object.prototype)

/** The directives whose values are any text. */
const texts: readonly string[] = directiveNames.filter((name) =>
  ['string', 'list'].includes(directives[name].type),
)

test.each(inherited)('%s is no unit, no directive, and no value of one', (word) => {
  const config = new Config()
  for (const amount of [word, `1${word}`, `10${word}`]) expect(parseMemory(amount)).toBe(undefined)
  expect(() => config.set(word, ['1'])).toThrow(ConfigError)
  expect(config.match([word])).toEqual([])
  for (const name of directiveNames) {
    if (texts.includes(name)) continue
    const before = config.get(name as DirectiveName)
    for (const value of [word, `1${word}`, `10${word}`, `normal 1${word} 0 0`, `${word} 1 1 1`]) {
      expect(() => config.set(name, value.split(' '))).toThrow(ConfigError)
      expect(config.get(name as DirectiveName)).toEqual(before)
    }
  }
})

/** All commands by the words that name them. */
function namesOf(commands: readonly Command[], before: readonly string[] = []): string[][] {
  return commands.flatMap(({ name, subcommands }) => {
    const words = [...before, name]
    return [words, ...namesOf(subcommands ?? [], words)]
  })
}

/** They end the connection, or keep it waiting. */
const LEFT_OUT = ['quit', 'shutdown', 'monitor', 'wait', 'kwait']
/** The first ends connections, the second sets the count of errors to 0. */
const SUBCOMMANDS_LEFT_OUT = ['client kill', 'config resetstat']

test('a request of such words finds nothing that its command does not have', async () => {
  const server = await start()
  const client = await join(server)
  for (const words of namesOf(commandTable)) {
    if (LEFT_OUT.includes(words[0]) || SUBCOMMANDS_LEFT_OUT.includes(words.join(' '))) continue
    for (const word of inherited) {
      // In every place of a request, so that each option and each subcommand is one of them once.
      for (let count = 0; count <= 4; count++) client.send(...words, ...Array(count).fill(word))
      for (let count = 0; count <= 3; count++) {
        client.send(...words, 'key', ...Array(count).fill('1'), word)
      }
    }
    client.send('RESET')
  }
  client.send('ECHO', 'the end')
  for (;;) {
    const reply = await client.next()
    if (reply === 'the end') break
  }
  client.send('INFO', 'stats')
  expect(await client.next()).toContain('unexpected_error_replies:0\r\n')
  expect(server.config.format('maxmemory')).toBe('0')
}, 120_000)
