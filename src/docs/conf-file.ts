import { type Directive, formatMemory } from '../config/directive-value.ts'
import { type DirectiveName, describeDirective, directiveNames } from '../config/directives.ts'
import { formatConfigLine } from '../config/rewrite.ts'
import { wrap } from '../text/wrap.ts'

const WIDTH = 78

const comment = (text: string): string[] => wrap(text, WIDTH - 2).map((line) => `# ${line}`)

/** The range of a directive, such as `0 to 65535`; undefined if it has none. */
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
    '#   ktree conf/ktree.conf                  uses this file',
    '#   ktree conf/ktree.conf --port 6390      overrides a directive',
    '#',
    ...comment(
      'The syntax is that of redis.conf. A line holds a directive and its values. A line that begins with # is a comment. A value with blanks needs quotes; an empty value is "". Memory is written as 1k (1000 bytes), 1kb (1024 bytes), 1m, 1mb, 1g or 1gb, in any case.',
    ),
    '#',
    ...comment(
      'While the server runs, CONFIG SET changes most directives. CONFIG REWRITE saves the changes in the file that the server was started with.',
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
