import type { Argument, Command } from '../commands/command.ts'

const GROUPS = [
  ['tree', 'The tree'],
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
    `### \`${[name, ...(command.args ?? []).map(syntaxOf)].join(' ')}\``,
    '',
    command.summary,
  ]
  if (command.complexity !== undefined) lines.push('', `Time: ${command.complexity}.`)
  lines.push('')
  const subcommands = command.subcommands ?? []
  return [...lines, ...subcommands.flatMap((subcommand) => describe(subcommand, `${name} `))]
}

/** An argument as redis-cli shows it in its hints. */
export function syntaxOf(arg: Argument): string {
  const inner = innerSyntax(arg)
  const repeated = arg.multiple === true ? `${inner} [${inner} ...]` : inner
  return arg.optional === true ? `[${repeated}]` : repeated
}

function innerSyntax(arg: Argument): string {
  const token = arg.token === undefined ? [] : [arg.token]
  if (arg.type === 'pure-token') return token.join('')
  if (arg.type === 'oneof') return [...token, (arg.args ?? []).map(syntaxOf).join(' | ')].join(' ')
  if (arg.type === 'block') return [...token, ...(arg.args ?? []).map(syntaxOf)].join(' ')
  return [...token, arg.name].join(' ')
}
