import type { Argument, Command } from './command.ts'

/**
 * A command's arguments as people read them: `path [RECURSIVE] [SORTED]`. Redis's notation: square
 * brackets for what may be left out, `|` between alternatives, dots for what may be repeated.
 */
export function argumentSyntax(args: readonly Argument[]): string {
  return args.map(oneArgument).join(' ')
}

/** The same with the command's name before it, in capitals: `KGET path [RECURSIVE] [SORTED]`. */
export function commandSyntax(command: Command): string {
  const name = command.name.toUpperCase()
  return command.args === undefined ? name : `${name} ${argumentSyntax(command.args)}`
}

function oneArgument(arg: Argument): string {
  const once = withToken(arg)
  const syntax = arg.multiple === true ? `${once} [${once} ...]` : once
  if (arg.optional === true) return `[${syntax}]`
  return arg.type === 'oneof' ? `<${syntax}>` : syntax
}

function withToken(arg: Argument): string {
  if (arg.type === 'pure-token') return arg.token ?? arg.name
  const members = arg.args?.map(oneArgument)
  const value = members?.join(arg.type === 'oneof' ? ' | ' : ' ') ?? arg.name
  if (arg.token === undefined) return value
  return arg.type === 'oneof' ? `${arg.token} <${value}>` : `${arg.token} ${value}`
}
