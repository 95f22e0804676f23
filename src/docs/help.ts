import { formatConfigLine } from '../config-rewrite.ts'
import { type DirectiveName, directiveNames, directives } from '../directives.ts'

/** Where the explanations begin; a default that would reach further is left to the manual. */
const COLUMN = 36

function option(name: DirectiveName): string {
  const line = `  --${formatConfigLine(name, directives[name].default)}`
  const left = line.length < COLUMN ? line : `  --${name} ...`
  return `${left.padEnd(COLUMN)}${directives[name].help}`
}

/** What `ktree --help` prints: every directive with its default, on one screen. */
export function helpText(): string {
  return [
    'Usage: ktree [file.conf] [--directive value ...] [-]',
    '',
    "A tree of keys that can be watched, served over Redis's protocol.",
    'Directives come from the file, then from standard input (-), then from the',
    'command line, where the values of one reach to the next --. With their defaults:',
    '',
    ...directiveNames.map(option),
    '',
    '  -h, --help  -v, --version         More in docs/configuration.md',
    '',
  ].join('\n')
}
