import type { Argument } from './arguments/argument.ts'
import type { Command } from './command.ts'

/**
 * A command's arguments in Redis's notation: `path [RECURSIVE] [SORTED]`. Square brackets enclose
 * optional arguments, `|` separates alternatives, dots follow an argument that may be repeated.
 */
export function argumentSyntax(args: readonly Argument[]): string {
  return args.map(oneArgument).join(' ')
}

/** A command's name in capitals, and its arguments: `KGET path [RECURSIVE] [SORTED]`. */
export function commandSyntax(command: Command): string {
  const name = command.name.toUpperCase()
  return command.args === undefined ? name : `${name} ${argumentSyntax(command.args)}`
}

function oneArgument(arg: Argument): string {
  const syntax = withToken(arg)
  if (arg.optional === true) return `[${syntax}]`
  return arg.type === 'oneof' && arg.token === undefined && arg.multiple !== true
    ? `<${syntax}>`
    : syntax
}

function withToken(arg: Argument): string {
  if (arg.type === 'pure-token') return arg.token ?? arg.name
  const value = repeated(arg)
  return arg.token === undefined ? value : `${arg.token} ${value}`
}

/** An argument without its token, which is not repeated with it. */
function repeated(arg: Argument): string {
  const members = arg.args?.map(oneArgument)
  const value = members?.join(arg.type === 'oneof' ? ' | ' : ' ') ?? arg.name
  const enclose = arg.type === 'oneof' && (arg.token !== undefined || arg.multiple === true)
  const once = enclose ? `<${value}>` : value
  if (arg.multiple !== true) return once
  // A choice is too long to be written twice.
  return arg.type === 'oneof' ? `${once} [...]` : `${once} [${once} ...]`
}
