import { expect, test } from 'vitest'
import { commandTable } from '../../src/commands/table.ts'
import type { Argument } from '../../src/request/arguments/argument.ts'
import type { Command } from '../../src/request/command.ts'
import { commandSyntax } from '../../src/request/syntax.ts'

const find = (name: string, subcommand?: string): Command => {
  const command = commandTable.find((each) => each.name === name)
  const found = subcommand
    ? command?.subcommands?.find((each) => each.name === subcommand)
    : command
  if (!found) throw new Error(`no command ${name} ${subcommand}`)
  return found
}

test.for<[Command, string]>([
  [find('dbsize'), 'DBSIZE'],
  [find('echo'), 'ECHO message'],
  [find('ping'), 'PING [message]'],
  [find('kget'), 'KGET path [RECURSIVE] [SORTED]'],
  [find('subscribe'), 'SUBSCRIBE channel [channel ...]'],
  [find('hello'), 'HELLO [protover [AUTH username password] [SETNAME clientname]]'],
  [find('shutdown'), 'SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]'],
  [find('config', 'set'), 'SET parameter value [parameter value ...]'],
  [
    find('client', 'list'),
    'LIST [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]',
  ],
  [find('client', 'reply'), 'REPLY <ON | OFF | SKIP>'],
])('the syntax of %o is %s', ([command, syntax]) => {
  expect(commandSyntax(command)).toBe(syntax)
})

/** All arguments, and the members of those that have members. */
function* allArguments(args: readonly Argument[] = []): Generator<Argument> {
  for (const arg of args) {
    yield arg
    yield* allArguments(arg.args)
  }
}

const everything = commandTable.flatMap((command) => [command, ...(command.subcommands ?? [])])

test.for(everything)('$name is declared in full', (command) => {
  expect(command.summary).toMatch(/^[A-Z].*[.]$/)
  expect(command.run !== undefined || command.subcommands !== undefined).toBe(true)
  const takesValues = [...allArguments(command.args)].some(({ value }) => value === true)
  expect(command.takesValues === true).toBe(takesValues)
  // redis-cli deduces from the arity whether the words typed so far can be a complete command.
  const minimum = (command.args ?? []).filter((arg) => arg.optional !== true).length
  expect(Math.abs(command.arity)).toBeGreaterThan(minimum)
  for (const arg of allArguments(command.args)) {
    if (arg.type === 'pure-token') expect(arg.token).toBeDefined()
    expect(arg.args !== undefined).toBe(arg.type === 'oneof' || arg.type === 'block')
  }
})
