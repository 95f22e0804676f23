import type { Command, Group } from '../request/command.ts'
import { commandSyntax } from '../request/syntax.ts'

/**
 * The HELP of a container, made from what its other subcommands declare.
 *
 * @param container its name, in lower case
 * @returns all subcommands, HELP the last
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
  // Redis's layout, which redis-cli and people expect; each line is a status of its own.
  const lines = [
    `${container.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`,
    ...all.flatMap((command) => [commandSyntax(command), `    ${command.summary}`]),
  ]
  return all
}
