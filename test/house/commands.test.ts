import { basename, dirname } from 'node:path'
import { expect, test } from 'vitest'
import { commandTable } from '../../src/commands/table.ts'
import type { Command } from '../../src/request/command.ts'
import { sourceFiles } from './imports.ts'

/** The files that declare commands, each with what it declares. */
const files: { path: string; text: string; commands: readonly Command[] }[] = []

for (const [path, text] of sourceFiles()) {
  if (!/^src\/commands\/[^/]+\//.test(path)) continue
  const module: Record<string, unknown> = await import(/* @vite-ignore */ `../../${path}`)
  const declared = Object.values(module).flatMap((value) =>
    Array.isArray(value) ? commandTable.filter((command) => value.includes(command)) : [],
  )
  // COMMAND has to be handed the table that it is in.
  const own = 'commandFamily' in module ? commandTable.filter(({ name }) => name === 'command') : []
  const commands = [...declared, ...own]
  if (commands.length > 0) files.push({ path, text, commands })
}

test('every command is declared in one file', () => {
  const names = files.flatMap(({ commands }) => commands.map(({ name }) => name))
  expect(names.sort()).toEqual(commandTable.map(({ name }) => name).sort())
})

test.each(files)(
  '$path: the folder is the group, the file a command in it',
  ({ path, commands }) => {
    const groups = new Set(commands.map(({ group }) => group))
    expect([...groups]).toEqual([basename(dirname(path))])
    const file = basename(path, '.ts')
    expect(commands.some(({ name }) => name.startsWith(file) || name.endsWith(file))).toBe(true)
  },
)

test.each(files)('$path begins with the list of its commands', ({ text, commands }) => {
  const listed = /^\/\/ ([A-Z0-9]+(?: · [A-Z0-9]+)*)\n/.exec(text)?.[1].split(' · ')
  expect(listed?.sort()).toEqual(commands.map(({ name }) => name.toUpperCase()).sort())
})
