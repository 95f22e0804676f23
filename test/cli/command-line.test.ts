import { describe, expect, test } from 'vitest'
import { parseCommandLine } from '../../src/cli/command-line.ts'
import { helpText, transferHelpText } from '../../src/cli/help.ts'
import { directiveNames } from '../../src/config/directives.ts'

const parse = (line: string) => parseCommandLine(line === '' ? [] : line.split(' '))

describe('serving', () => {
  test.each([
    ['', { standardInput: false, directives: [] }],
    ['my.conf', { configFile: 'my.conf', standardInput: false, directives: [] }],
    [
      'my.conf --port 6390 --bind 127.0.0.1 ::1',
      {
        configFile: 'my.conf',
        standardInput: false,
        directives: [
          ['port', ['6390']],
          ['bind', ['127.0.0.1', '::1']],
        ],
      },
    ],
    ['--PORT 1', { standardInput: false, directives: [['port', ['1']]] }],
    [
      '--bind 127.0.0.1 -::1 --port -5',
      {
        standardInput: false,
        directives: [
          ['bind', ['127.0.0.1', '-::1']],
          ['port', ['-5']],
        ],
      },
    ],
    ['-', { standardInput: true, directives: [] }],
    ['- --port 1', { standardInput: true, directives: [['port', ['1']]] }],
    [
      'a.conf --port 1 -',
      { configFile: 'a.conf', standardInput: true, directives: [['port', ['1']]] },
    ],
    ['--requirepass --x', { standardInput: false, directives: [['requirepass', ['--x']]] }],
    ['--requirepass -h', { standardInput: false, directives: [['requirepass', ['-h']]] }],
    [
      '--port --bind',
      {
        standardInput: false,
        directives: [
          ['port', []],
          ['bind', []],
        ],
      },
    ],
    ['--requirepass ä', { standardInput: false, directives: [['requirepass', ['\xc3\xa4']]] }],
  ])('%j', (line, expected) => {
    expect(parse(line)).toEqual({ kind: 'run', ...expected })
  })

  test('an empty value is a value', () => {
    expect(parseCommandLine(['--requirepass', ''])).toMatchObject({
      directives: [['requirepass', ['']]],
    })
  })
})

test.each(['-h', '--help', 'a.conf --help', '--port 1 --help', 'a.conf -h'])(
  '%j asks for help',
  (line) => {
    expect(parse(line)).toEqual({ kind: 'help' })
  },
)

describe('import and export', () => {
  const plain = { file: '-', replace: false, directives: [] }
  test.each([
    ['import state.json', { kind: 'import', file: 'state.json' }],
    ['import -', { kind: 'import' }],
    ['import state.json my.conf', { kind: 'import', file: 'state.json', configFile: 'my.conf' }],
    [
      'import --dir data state.json --replace my.conf',
      {
        kind: 'import',
        file: 'state.json',
        configFile: 'my.conf',
        replace: true,
        directives: [['dir', ['data']]],
      },
    ],
    [
      'import --replace state.json --dir --data --port 1 --bind a b',
      {
        kind: 'import',
        file: 'state.json',
        replace: true,
        directives: [
          ['dir', ['--data']],
          ['port', ['1']],
          ['bind', ['a', 'b']],
        ],
      },
    ],
    ['import ./import', { kind: 'import', file: './import' }],
    ['export', { kind: 'export' }],
    ['export --dir ä', { kind: 'export', directives: [['dir', ['\xc3\xa4']]] }],
    [
      'repair my.conf --dir d',
      { kind: 'repair', configFile: 'my.conf', directives: [['dir', ['d']]] },
    ],
    ['export - my.conf', { kind: 'export', configFile: 'my.conf' }],
    ['export state.json', { kind: 'export', file: 'state.json' }],
  ])('%j', (line, expected) => {
    expect(parse(line)).toEqual({ ...plain, ...expected })
  })

  test('a conf file named like a command is given with its path', () => {
    expect(parse('./import')).toMatchObject({ kind: 'run', configFile: './import' })
  })

  test.each(['import --help', 'import -h', 'import a --dir b --help'])(
    '%j asks for help',
    (line) => {
      expect(parse(line)).toEqual({ kind: 'help', about: 'import' })
    },
  )

  test.each([
    ['import', 'import needs a FILE, or - for standard input'],
    ['import --dir a', 'import needs a FILE, or - for standard input'],
    ['import a b c', "'c' is too much: import takes a FILE and a conf file"],
    ['import a --repalce', "unknown option '--repalce'; did you mean '--replace'?"],
    ['import a --dri b', "unknown option '--dri'; did you mean '--dir'?"],
    ['repair a b', "'b' is too much: repair takes a conf file"],
    ['repair --replace', "unknown option '--replace'"],
    ['export a --dir=b', "unknown option '--dir=b'; write --dir b"],
    ['export -f', "unknown option '-f'; ktree --help lists all"],
  ])('%j is refused', (line, message) => {
    expect(() => parse(line)).toThrow(message)
  })

  test.each(['import', 'export', 'repair'] as const)('the help of %s names its options', (kind) => {
    const lines = transferHelpText(kind).split('\n')
    expect(lines[0]).toContain(`ktree ${kind}`)
    const options = lines.filter((line) => /^ {2}(FILE|file\.conf|--dir DIR|--replace) /.test(line))
    expect(options).toHaveLength(kind === 'repair' ? 2 : 4)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(82)
  })
})

test.each(['-v', '--version'])('%j asks for the version', (line) => {
  expect(parse(line)).toEqual({ kind: 'version' })
})

test.each([
  ['--prot 1', "unknown option '--prot'; did you mean '--port'?"],
  ['--prot --port 1', "unknown option '--prot'; did you mean '--port'?"],
  ['--max-clients 1', "unknown option '--max-clients'; did you mean '--maxclients'?"],
  ['--hlep', "unknown option '--hlep'; did you mean '--help'?"],
  ['--appendfsync always', "unknown option '--appendfsync'; ktree --help lists all"],
  ['--port=6390', "unknown option '--port=6390'; write --port 6390"],
  ['-p 6390', "unknown option '-p'; ktree --help lists all"],
  ['-port 6390', "unknown option '-port'; write --port value"],
  ['- a.conf', "'a.conf' is no option; a conf file must come first"],
])('%j is refused', (line, message) => {
  expect(() => parse(line)).toThrow(message)
})

test('users may be given, one option each', () => {
  const words = ['--user', 'a', 'on', '>--x', '-@all', '--port', '1', '--USER', 'b', 'off']
  expect(parseCommandLine(words)).toMatchObject({
    directives: [
      ['user', ['a', 'on', '>--x', '-@all']],
      ['port', ['1']],
      ['user', ['b', 'off']],
    ],
  })
})

test('the help names every directive and fits on a terminal', () => {
  const lines = helpText().split('\n')
  for (const name of directiveNames) {
    const isNamed = new RegExp(`^  --${name} |^  (Also: |[\\w-]+, ).*\\b${name}[,.]|^  ${name}[,.]`)
    expect([name, lines.some((line) => isNamed.test(line))]).toEqual([name, true])
  }
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(82)
  expect(lines.length).toBeLessThanOrEqual(56)
})
