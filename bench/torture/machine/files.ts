import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { message, snapFile } from '../../../test/transfer/snap-envelope.ts'
import { makeDirectory, removeDirectory, sleep, startChild, within } from '../../children.ts'
import { peakMemory } from '../../process-usage.ts'
import { RespConnection } from '../../resp-connection.ts'
import { ask, ktreeCommand, launch } from '../launch.ts'
import { endsWithin, type Finding, type MachineTrial, text, withClient } from './support.ts'

const MB = 1024 ** 2
const TOOL_LIMIT_MS = 15_000
const TOOL_MEMORY = 500 * MB
const START_LIMIT_MS = 5000
const SECRET = 'what nobody else may read'

function* below(directory: string): Generator<string> {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    yield path
    if (statSync(path).isDirectory()) yield* below(path)
  }
}

async function modes(finding: Finding): Promise<void> {
  await withClient({ command: `umask 022\n${ktreeCommand()}` }, async (client, { directory }) => {
    await client.ask('SET', 'k', 'v')
    await sleep(1500)
    const data = join(directory, 'data')
    const open = [data, ...below(data)].filter((path) => (statSync(path).mode & 0o077) !== 0)
    const mode = (statSync(data).mode & 0o777).toString(8)
    finding.note(`the data directory has mode ${mode}`)
    finding.note(`${open.length} files and directories are open to others`, open.length === 0)
  })
}

async function protectedDirectory(finding: Finding): Promise<void> {
  await withClient({ command: ktreeCommand() }, async (client, { directory }) => {
    const [reply] = await client.askAll([['CONFIG', 'SET', 'dir', join(directory, 'other')]])
    finding.note(`CONFIG SET dir: ${text(reply).slice(0, 90)}`, reply instanceof Error)
  })
}

/** Runs `ktree repair` or `import`, and notes how it ends. @returns what it printed */
async function tool(finding: Finding, args: readonly string[]): Promise<string> {
  const child = startChild(process.execPath, ['dist/main.js', ...args])
  const started = performance.now()
  let peak = 0
  const watch = setInterval(() => {
    peak = Math.max(peak, peakMemory(child.pid) || 0)
    if (peak > 4000 * MB) child.end().catch(() => {})
  }, 20)
  const code = await within(TOOL_LIMIT_MS, 'the program', child.exited).catch(() => undefined)
  clearInterval(watch)
  await child.end()
  const time = Math.round(performance.now() - started)
  const printed = `${child.output.out}${child.output.err}`
  if (code === undefined) finding.note(`it hangs for ${TOOL_LIMIT_MS / 1000} s`, false)
  else if (code === null) finding.note(`killed by a signal after ${time} ms`, false)
  else finding.note(`exit ${code} after ${time} ms`)
  finding.note(`${Math.round(peak / MB)} MB`, peak < TOOL_MEMORY)
  const shown = printed.trim().split('\n').at(-1) ?? ''
  finding.note(`"${shown.slice(0, 110)}"`, !printed.includes(SECRET) && !/\n\s+at /.test(printed))
  return printed
}

async function makeData(directory: string): Promise<void> {
  const target = await launch({ command: ktreeCommand(), directory })
  const client = await RespConnection.open(target.port)
  for (let i = 0; i < 100; i++) await client.ask('SET', `key:${i}`, 'value')
  client.close()
  process.kill(target.child.pid, 'SIGTERM')
  await endsWithin(10_000, target)
  await target.stop()
}

/** Starts a server that has reason not to; it shall serve, or end and say why. */
async function noteStart(finding: Finding, directory: string, when: string): Promise<void> {
  const server = await launch({ command: ktreeCommand(), directory, unready: true })
  try {
    const ended = endsWithin(START_LIMIT_MS, server)
    while (server.ended() === undefined && (await ask(server.port, 500)) === undefined) {
      if (await Promise.race([ended.then(() => true), sleep(50)])) break
    }
    const code = server.ended()
    if (code !== undefined) finding.note(`a start ${when}: exit ${code}`, code === 1)
    else if (await ask(server.port, 500)) finding.note(`a start ${when}: it serves`)
    else finding.note(`a start ${when} neither serves nor ends`, false)
    const { out, err } = server.child.output
    if (`${out}${err}`.includes(SECRET)) finding.note('it prints what it should not read', false)
  } finally {
    await server.stop()
  }
}

/** Puts something else in the place of a file of the tree, and has it started and repaired. */
async function replaced(finding: Finding, put: (path: string, directory: string) => void) {
  const directory = makeDirectory()
  try {
    await makeData(directory)
    const path = join(directory, 'data', 'tree', 'CURRENT')
    unlinkSync(path)
    put(path, directory)
    await noteStart(finding, directory, 'before')
    await tool(finding, ['repair', '--dir', join(directory, 'data')])
    await noteStart(finding, directory, 'after')
  } finally {
    removeDirectory(directory)
  }
}

const linkTo = (to: (directory: string) => string) => (path: string, directory: string) =>
  symlinkSync(to(directory), path)

function secretFile(directory: string): string {
  const path = join(directory, 'secret')
  writeFileSync(path, `${SECRET}\n`)
  return path
}

/** A record of etcd's write-ahead log: its length, its bytes, zeros up to the next eighth byte. */
function walRecord(data: Buffer): Buffer {
  const bytes = message([1, 2], [2, 5], [3, data])
  const padding = (8 - (bytes.length % 8)) % 8
  const length = Buffer.alloc(8)
  length.writeUIntLE(bytes.length, 0, 6)
  length[7] = padding === 0 ? 0 : 0x80 | padding
  return Buffer.concat([length, bytes, Buffer.alloc(padding)])
}

const DOCUMENT =
  '{"Root":{"Path":"/","CreatedIndex":0,"ModifiedIndex":0,"ExpireTime":"0001-01-01T00:00:00Z","Value":"","Children":{}},"WatcherHub":{"EventHistory":{"Queue":{"Events":[],"Size":0,"Front":0,"Back":0,"Capacity":1000},"StartIndex":0,"LastIndex":0,"DupCounter":0}},"CurrentIndex":1,"Stats":{},"CurrentVersion":2}'

async function walIndex(finding: Finding, index: number): Promise<void> {
  const directory = makeDirectory()
  try {
    const member = join(directory, 'etcd', 'member')
    mkdirSync(join(member, 'snap'), { recursive: true })
    mkdirSync(join(member, 'wal'))
    writeFileSync(
      join(member, 'snap', '0000000000000007-0000000000000019.snap'),
      snapFile(DOCUMENT),
    )
    const put = message([1, 1], [2, 'PUT'], [3, '/1/a'], [4, 'value'])
    const entries = [26, index].map((at) => walRecord(message([2, 3], [3, at], [4, put])))
    writeFileSync(
      join(member, 'wal', '0000000000000000-0000000000000000.wal'),
      Buffer.concat([...entries, Buffer.alloc(100)]),
    )
    await tool(finding, [
      ...['import', join(directory, 'etcd')],
      ...['--dir', join(directory, 'data')],
    ])
  } finally {
    removeDirectory(directory)
  }
}

async function largeIndex(finding: Finding): Promise<void> {
  const directory = makeDirectory()
  try {
    await withClient({ command: ktreeCommand(), directory }, async (client, target) => {
      const state = DOCUMENT.replace('"CurrentIndex":1', '"CurrentIndex":9007199254740991')
      const replies = await client.askAll([
        ['KRECOVER', state],
        ['SET', 'a', '1'],
        ['SET', 'b', '1'],
        ['KINDEX'],
      ])
      finding.note(replies.map((reply) => text(reply).slice(0, 60)).join(', '))
      process.kill(target.child.pid, 'SIGTERM')
      await endsWithin(10_000, target)
    })
    const again = launch({ command: ktreeCommand(), directory })
    const target = await again.catch((error: Error) => error)
    if (target instanceof Error) finding.note(`a new start: ${target.message.slice(0, 150)}`, false)
    else await target.stop()
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

export const fileTrials: readonly MachineTrial[] = [
  { name: 'modes', what: 'modes of the data directory and its files, umask 022', run: modes },
  { name: 'config-dir', what: 'CONFIG SET dir by any client', run: protectedDirectory },
  {
    name: 'current-fifo',
    what: '`repair`, and a start, with CURRENT a FIFO',
    run: (finding) => replaced(finding, (path) => execFileSync('mkfifo', [path])),
  },
  {
    name: 'current-zero',
    what: 'the same with CURRENT a link to /dev/zero',
    run: (finding) =>
      replaced(
        finding,
        linkTo(() => '/dev/zero'),
      ),
  },
  {
    name: 'current-link',
    what: "the same with CURRENT a link to somebody's file",
    run: (finding) => replaced(finding, linkTo(secretFile)),
  },
  {
    name: 'current-directory',
    what: 'the same with CURRENT a directory',
    run: (finding) => replaced(finding, (path) => mkdirSync(path)),
  },
  ...[4e9, 2 ** 53 - 1].map((index) => ({
    name: 'import-wal',
    what: `\`import\` of a write-ahead log with the index ${index}`,
    run: (finding: Finding) => walIndex(finding, index),
  })),
  { name: 'index', what: 'KRECOVER with CurrentIndex 2^53-1, then writes', run: largeIndex },
]
