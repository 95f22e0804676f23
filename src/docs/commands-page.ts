import type { Command } from '../request/command.ts'
import { argumentSyntax } from '../request/syntax.ts'

const GROUPS = [
  ['tree', 'The tree'],
  ['string', 'Strings'],
  ['generic', 'Keys'],
  ['transactions', 'Transactions'],
  ['pubsub', 'Pub/sub'],
  ['connection', 'Connection'],
  ['server', 'Server'],
] as const

/**
 * docs/commands.md, from the command table.
 *
 * @param commands every command
 */
export function commandsPage(commands: readonly Command[]): string {
  const parts = [
    '# Commands',
    '',
    'Generated from the command table by `make docs`. In redis-cli the same is behind `help KSET`',
    'and in the hints while typing. Replies, errors and watching: [replies.md](replies.md) and',
    '[watching.md](watching.md).',
    '',
  ]
  for (const [group, title] of GROUPS) {
    const members = commands.filter((command) => command.group === group)
    if (members.length === 0) continue
    parts.push(`## ${title}`, '')
    for (const command of [...members].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      parts.push(...describe(command, ''))
    }
  }
  return `${parts.join('\n').trimEnd()}\n`
}

function describe(command: Command, container: string): string[] {
  const name = `${container}${command.name.toUpperCase()}`
  if (command.run === undefined && command.subcommands !== undefined) {
    return command.subcommands.flatMap((subcommand) => describe(subcommand, `${name} `))
  }
  const lines = [
    `### \`${`${name} ${argumentSyntax(command.args ?? [])}`.trim()}\``,
    '',
    command.summary,
  ]
  if (command.complexity !== undefined) lines.push('', `Time: ${command.complexity}.`)
  lines.push('')
  const subcommands = command.subcommands ?? []
  return [...lines, ...subcommands.flatMap((subcommand) => describe(subcommand, `${name} `))]
}
