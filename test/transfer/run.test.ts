import { EventEmitter } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { afterEach, expect, test } from 'vitest'
import { type Host, run } from '../../src/cli/run.ts'
import { type RunningServer, startServer } from '../../src/server/start.ts'
import { Store } from '../../src/store/store.ts'
import { Recorder } from './recorder.ts'
import { useTemporaryDirectory } from './temporary-directory.ts'

const path = useTemporaryDirectory()
const never: typeof startServer = () => Promise.reject(new Error('must not start'))
let server: RunningServer | undefined
afterEach(() => server?.close())

class FakeHost extends EventEmitter implements Host {
  stdin: Readable
  stdout = new Recorder()
  stderr = new Recorder()

  constructor(input = '') {
    super()
    this.stdin = Readable.from([Buffer.from(input, 'latin1')])
  }

  exit(): void {}
}

async function ktree(argv: string[], input?: string) {
  const host = new FakeHost(input)
  const code = await run(argv, host, never)
  return { code, out: host.stdout.text, lines: host.stderr.lines }
}

function sample(): string {
  const store = new Store()
  for (const value of ['1', '2', '3']) store.set('/a', value)
  return store.saveNoCopy()
}

test('import and export take the data directory from the conf file or the command line', async () => {
  writeFileSync(path('state.json'), sample())
  writeFileSync(path('my.conf'), `dir ${path('first')}\nwatch-history 2\n`)
  const imported = await ktree(['import', path('state.json'), path('my.conf')])
  expect(imported).toEqual({
    code: 0,
    out: '',
    lines: [
      `imported into ${path('first')}: 1 node (1 file, 0 directories), index 3, 2 events, 0 with a TTL`,
    ],
  })
  const exported = await ktree(['export', '--dir', path('first')])
  expect(exported.code).toBe(0)
  const again = await ktree(['import', '-', path('my.conf'), '--dir', path('second')], exported.out)
  expect(again.code).toBe(0)
  expect(existsSync(path('second'))).toBe(true)
  expect(await ktree(['export', '-', '--dir', path('second')])).toEqual(exported)
})

test.each(['import', 'export'])('%s --help prints its arguments and exits with 0', async (kind) => {
  const { code, out } = await ktree([kind, '--help'])
  expect(code).toBe(0)
  expect(out).toMatch(new RegExp(`^Usage: ktree ${kind} `))
})

test('a failure is one line on stderr, and exit code 1', async () => {
  const dir = path('data')
  const failures = [
    [['import'], 'ktree: import needs a FILE, or - for standard input'],
    [
      ['import', path('none'), '--dir', dir],
      `ktree: cannot read ${path('none')}: there is no such`,
    ],
    [['import', '-', '--dir', dir], 'ktree: standard input is empty'],
    [['export', '--dir', dir], `ktree: ${dir} holds no tree`],
  ] as const
  for (const [argv, message] of failures) {
    const { code, out, lines } = await ktree([...argv])
    expect({ code, out, lines }).toEqual({
      code: 1,
      out: '',
      lines: [expect.stringContaining(message)],
    })
  }
  expect(existsSync(dir)).toBe(false)
})

test('a directory in use is refused and not changed', async () => {
  const dir = path('data')
  server = await startServer({ directives: { dir, durability: 'everysec' } })
  server.store.set('/kept', '1')
  for (const argv of [
    ['import', '-', '--replace', '--dir', dir],
    ['export', '--dir', dir],
  ]) {
    const { code, out, lines } = await ktree(argv, sample())
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(lines).toEqual([expect.stringContaining('in use')])
  }
  await server.close()
  server = undefined
  expect((await ktree(['export', '--dir', dir])).out).toContain('/kept')
})
