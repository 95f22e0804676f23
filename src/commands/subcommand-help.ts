import type { Command, Group } from '../request/command.ts'
import { commandSyntax } from '../request/syntax.ts'

/**
 * Adds HELP to the subcommands of a container; its text comes from their declarations.
 *
 * @param container the container's name, in lower case
 * @returns the subcommands, with HELP as the last one
 */
export function withHelp(
  container: string,
  group: Group,
  subcommands: readonly Command[],
): readonly Command[] {
  const help: Command = {
    name: 'help',
    summary: 'Explains the subcommands.',
    group,
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 2,
    flags: ['loading', 'stale'],
    run(client) {
      client.reply.array(lines.length)
      for (const line of lines) client.reply.simple(line)
    },
  }
  const all = [...subcommands, help]
  // Redis's layout: each line is a simple string.
  const lines = [
    `${container.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`,
    ...all.flatMap((command) => [commandSyntax(command), `    ${command.summary}`]),
  ]
  return all
}
