import { expect, test } from 'vitest'
import { READ, WRITE } from '../../src/access/selector.ts'
import { commandTable } from '../../src/commands/table.ts'
import { accessOf } from '../../src/request/access-of-command.ts'
import type { Argument } from '../../src/request/arguments/argument.ts'
import { categoriesOf } from '../../src/request/categories.ts'
import type { Command } from '../../src/request/command.ts'
import { keySpecsOf } from '../../src/request/key-specs.ts'

const all = commandTable.flatMap((command) => [
  ...(command.run === undefined ? [] : [{ name: command.name, command }]),
  ...(command.subcommands ?? []).map((subcommand) => ({
    name: `${command.name}|${subcommand.name}`,
    command: subcommand,
  })),
])
const named = (test: (command: Command, name: string) => boolean): string[] =>
  all.filter(({ command, name }) => test(command, name)).map(({ name }) => name)

function argumentsOf(args: readonly Argument[] = []): Argument[] {
  return args.flatMap((arg) => [arg, ...argumentsOf(arg.args)])
}

test('every argument that is a key is declared as one, and no other', () => {
  expect(
    named(({ args, keys }) => {
      const has = argumentsOf(args).some(({ type }) => type === 'key')
      return has !== (keys !== undefined)
    }),
  ).toEqual([])
})

test('every command that reads or writes the tree says how far it reaches', () => {
  expect(
    named(({ flags, keys, channels, reach }) => {
      const touches = flags.includes('write') || flags.includes('readonly')
      return touches && keys === undefined && channels === undefined && reach === undefined
    }),
  ).toEqual([])
})

// Strings are files: whatever else stands at their keys is an error.
test('every command with keys, but those of strings, says what it does with a directory', () => {
  expect(
    named(
      ({ group, keys, reach }) => keys !== undefined && group !== 'string' && reach === undefined,
    ),
  ).toEqual([])
})

test('every command that writes has the right to write its keys, and none that only reads', () => {
  expect(
    named((command) => {
      const accesses = keySpecsOf(command).map(({ flags }) => accessOf(flags))
      const writes = accesses.some((access) => (access & WRITE) !== 0)
      return accesses.length > 0 && writes !== command.flags.includes('write')
    }),
  ).toEqual([])
})

/** What tells nothing of a value but whether there is one, and of what kind: see Redis's key flags. */
const TELLS_NO_VALUE = [
  ...['exists', 'touch', 'type', 'strlen', 'watch', 'memory|usage'],
  ...['object|encoding', 'object|freq', 'object|idletime', 'object|refcount'],
]

test('every command that only reads has the right to read its keys, but for those that tell no value', () => {
  const without = named(
    (command) =>
      command.keys !== undefined &&
      !command.flags.includes('write') &&
      keySpecsOf(command).some(({ flags }) => (accessOf(flags) & READ) === 0),
  )
  expect(without.sort()).toEqual([...TELLS_NO_VALUE].sort())
})

test('every reply with an event that tells what was before needs the right to read it', () => {
  const write = named(
    (command) =>
      command.group === 'tree' && command.keys !== undefined && command.flags.includes('write'),
  )
  const onlyWrite = write.filter((name) => {
    const command = all.find((each) => each.name === name)?.command as Command
    return keySpecsOf(command).some(({ flags }) => (accessOf(flags) & READ) === 0)
  })
  // What it makes was not there before.
  expect(onlyWrite).toEqual(['kcreate'])
})

test('every channel that is listened or published to is declared', () => {
  const declared = named(({ channels }) => channels !== undefined)
  expect(declared.sort()).toEqual(['kwatch', 'psubscribe', 'publish', 'subscribe'])
})

test('every command is in a category beside fast and slow, or is known not to be', () => {
  const others = named((command) =>
    categoriesOf(command).every((each) => each === 'fast' || each === 'slow'),
  )
  expect(
    others.filter((name) => !/^(acl|config|latency|memory|slowlog|pubsub)\|/.test(name)),
  ).toEqual(['time'])
})

test('every password is kept from MONITOR and the slow log', () => {
  const secret = new Set(named(({ secrets }) => secrets !== undefined))
  const asked = named(({ args }) => argumentsOf(args).some(({ name }) => /pass|rule/.test(name)))
  expect(asked.filter((name) => !secret.has(name))).toEqual([])
  expect([...secret].sort()).toEqual(['acl|setuser', 'auth', 'config|set', 'hello'])
})
