import { type Directive, formatMemory } from '../config/directive-value.ts'
import { type DirectiveName, describeDirective, directiveNames } from '../config/directives.ts'
import { formatConfigLine } from '../config/rewrite.ts'
import { wrap } from './words.ts'

const WIDTH = 78

const comment = (text: string): string[] => wrap(text, WIDTH - 2).map((line) => `# ${line}`)

/** `0 to 65535`, or undefined for what has no range. */
export function describeRange(directive: Directive): string | undefined {
  if (directive.type !== 'integer' && directive.type !== 'memory') return undefined
  const { min, max } = directive
  if (min === max) return `always ${min}`
  if (directive.type === 'integer') {
    const radix = directive.octal ? 8 : 10
    return `${min.toString(radix)} to ${max.toString(radix)}`
  }
  const atLeast = `at least ${formatMemory(min)}`
  return max === Number.MAX_SAFE_INTEGER ? atLeast : `${formatMemory(min)} to ${formatMemory(max)}`
}

function entry(name: DirectiveName): string[] {
  const directive = describeDirective(name)
  const range = describeRange(directive)
  const help = `${directive.help}${range ? ` (${range})` : ''}.`
  return [
    '',
    ...comment(help),
    ...(directive.comment ? comment(directive.comment) : []),
    ...(directive.mutable ? [] : ['# Cannot be changed while the server runs.']),
    formatConfigLine(name, directive.default),
  ]
}

/** The text of conf/ktree.conf: every directive with its default. */
export function confFile(): string {
  const lines = [
    '# ktree: every directive, with its default.',
    '#',
    '#   ktree conf/ktree.conf                  uses this file,',
    '#   ktree conf/ktree.conf --port 6390      what follows it goes over it.',
    '#',
    ...comment(
      'The syntax is that of redis.conf: a directive a line, then its values; # begins a comment line; a value with blanks stands in quotes, an empty one is "". Memory is written 1k (1000 bytes), 1kb (1024 bytes), 1m, 1mb, 1g or 1gb, in any case.',
    ),
    '#',
    ...comment(
      'CONFIG SET changes most of this while the server runs, and CONFIG REWRITE writes the changes to the file the server was started with.',
    ),
  ]
  let group = ''
  for (const name of directiveNames) {
    const directive = describeDirective(name)
    if (directive.group !== group) {
      group = directive.group
      lines.push('', `${`#### ${group} `.padEnd(WIDTH, '#')}`)
    }
    lines.push(...entry(name))
  }
  return `${lines.join('\n')}\n`
}
