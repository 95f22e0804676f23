import { type DirectiveName, directiveNames, directives } from '../config/directives.ts'
import { formatConfigLine } from '../config/rewrite.ts'
import type { TransferKind } from './command-line.ts'

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
    '       ktree import FILE ... | export [FILE] ... | repair ...  (more: --help)',
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

const configured = [
  '  file.conf     the conf file that the server is started with, for its dir',
  '  --dir DIR     the data directory; no server may be using it (default: ./data)',
]

const transferHelp: Readonly<Record<TransferKind, readonly string[]>> = {
  import: [
    'Usage: ktree import FILE [file.conf] [--dir DIR] [--replace]',
    '',
    "Brings a saved tree, ktree's or etcd's, into the data directory of a server that",
    'is not running. All of it is checked before anything is written.',
    '',
    '  FILE          a state in JSON, as KSAVE and export write it; a .snap file of',
    "                etcd 3.4 or 3.5; etcd's data directory; or - for standard input",
    ...configured,
    '  --replace     put aside the tree that is in the data directory',
    '',
    'More in docs/import.md. A running server takes a state by KRECOVER.',
    '',
  ],
  export: [
    'Usage: ktree export [FILE] [file.conf] [--dir DIR] [--replace]',
    '',
    'Writes the tree in the data directory of a server that is not running as JSON,',
    "the document of etcd's v2 store.",
    '',
    '  FILE          the file to write; standard output if there is none, or for -',
    ...configured,
    '  --replace     overwrite FILE if it exists',
    '',
    'More in docs/import.md. A running server gives its state by KSAVE.',
    '',
  ],
  repair: [
    'Usage: ktree repair [file.conf] [--dir DIR]',
    '',
    'Reads what can be read of the damaged tree in a data directory, tells what cannot,',
    'and puts it in its place. The damaged tree is kept beside it.',
    '',
    ...configured,
    '',
    'More in docs/persistence.md.',
    '',
  ],
}

/** What `ktree import --help` prints, and `--help` after the others. */
export function transferHelpText(kind: TransferKind): string {
  return transferHelp[kind].join('\n')
}
