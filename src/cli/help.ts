import {
  type DirectiveName,
  describeDirective,
  directiveNames,
  directives,
} from '../config/directives.ts'
import { formatConfigLine } from '../config/rewrite.ts'
import { wrap } from '../text/wrap.ts'
import type { TransferKind } from './command-line.ts'

/** The column of the explanations. A default that would reach further is left out. */
const COLUMN = 36

const WIDTH = 78

function isRare(name: DirectiveName): boolean {
  return describeDirective(name).rare === true
}

function option(name: DirectiveName): string {
  const line = `  --${formatConfigLine(name, directives[name].default)}`
  const left = line.length < COLUMN ? line : `  --${name} ...`
  return `${left.padEnd(COLUMN)}${directives[name].help}`
}

/** The text of `ktree --help`, on one screen: every directive, most of them with their default. */
export function helpText(): string {
  return [
    'Usage: ktree [file.conf] [--directive value ...] [-]',
    '       ktree import FILE ... | export [FILE] ... | repair ...  (more: --help)',
    '',
    "A tree of keys that can be watched, served over Redis's protocol.",
    'Directives are read from the file, from standard input (-), and from the command',
    'line; later ones override. Values end at the next --directive. Defaults:',
    '',
    ...directiveNames.filter((name) => !isRare(name)).map(option),
    '  --user NAME RULES ...             A user, and what it may do (docs/security.md)',
    '',
    ...wrap(`Also: ${directiveNames.filter(isRare).join(', ')}.`, WIDTH).map((line) => `  ${line}`),
    '',
    '  -h, --help  -v, --version         More in docs/configuration.md',
    '',
  ].join('\n')
}

const configured = [
  '  file.conf     the conf file of the server, for its dir',
  '  --dir DIR     the data directory; no server may be using it (default: ./data)',
]

const transferHelp: Readonly<Record<TransferKind, readonly string[]>> = {
  import: [
    'Usage: ktree import FILE [file.conf] [--dir DIR] [--replace]',
    '',
    'Writes a saved tree, of ktree or etcd, into the data directory of a server that is',
    'not running. The whole tree is checked before anything is written.',
    '',
    '  FILE          JSON from KSAVE or export; a .snap file of etcd 3.4 or 3.5;',
    "                etcd's data directory; or - for standard input",
    ...configured,
    '  --replace     move a tree that is already in the data directory aside',
    '',
    'More in docs/import.md. For a running server, use KRECOVER.',
    '',
  ],
  export: [
    'Usage: ktree export [FILE] [file.conf] [--dir DIR] [--replace]',
    '',
    'Writes the tree in the data directory of a server that is not running to a file:',
    "as JSON, in the format of etcd's v2 store.",
    '',
    '  FILE          the file to write; - or none for standard output',
    ...configured,
    '  --replace     overwrite FILE if it exists',
    '',
    'More in docs/import.md. For a running server, use KSAVE.',
    '',
  ],
  repair: [
    'Usage: ktree repair [file.conf] [--dir DIR]',
    '',
    'Replaces a damaged tree in a data directory by the parts of it that can be read,',
    'and reports the rest. The damaged tree is kept beside it.',
    '',
    ...configured,
    '',
    'More in docs/persistence.md.',
    '',
  ],
}

/** The text of `ktree import --help` and of the other commands. */
export function transferHelpText(kind: TransferKind): string {
  return transferHelp[kind].join('\n')
}
