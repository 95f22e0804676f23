import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { commandTable } from '../../src/commands/table.ts'

const page = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8')

interface Row {
  readonly names: readonly string[]
  readonly same: string
  readonly differs: string
}

/** The rows of the table of commands, without its headings. */
function rowsOf(markdown: string): Row[] {
  const lines = markdown.split('\n')
  const from = lines.findIndex((line) => line.startsWith('| command |')) + 2
  const end = lines.findIndex((line, at) => at > from && line === '')
  return lines
    .slice(from, end)
    .filter((line) => !line.startsWith('| **'))
    .map((line) => {
      const [command, same, differs] = line
        .split(' | ')
        .map((cell) => cell.replace(/^\| | ?\|$/g, ''))
      return { names: command.split(', '), same, differs }
    })
}

const rows = rowsOf(page)
const isMissing = ({ same }: Row): boolean => same === 'no'

/** Every command that can be called, in the spelling of the page. */
const names = commandTable.flatMap(({ name, subcommands = [], run }) => [
  ...(run === undefined ? [] : [name]),
  ...subcommands.map((subcommand) => `${name} ${subcommand.name}`),
])

test('there is one table of commands', () => {
  expect(page.split('\n').filter((line) => line.startsWith('| command |'))).toHaveLength(1)
  expect(rows.length).toBeGreaterThan(60)
})

test('the table has every command once', () => {
  const told = rows.flatMap(({ names }) => names).map((name) => name.toLowerCase())
  expect(names.filter((name) => !told.includes(name))).toEqual([])
  expect(told.filter((name, at) => told.indexOf(name) !== at)).toEqual([])
})

test('commands that the table calls missing are missing, and all others exist', () => {
  const known = new Set(names)
  for (const row of rows) {
    // Groups of commands are named in lower case.
    for (const name of row.names.filter((each) => each === each.toUpperCase())) {
      expect([name, known.has(name.toLowerCase())]).toEqual([name, !isMissing(row)])
    }
  }
})

test('each row says what is the same, or what differs', () => {
  for (const { names, same, differs } of rows)
    expect([names, same + differs]).not.toEqual([names, ''])
})
