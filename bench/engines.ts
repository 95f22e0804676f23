import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseArgs } from 'node:util'

const HELP = `node engines.js [name ...] [--nodes N]
Measures what could keep ktree's tree on disk and prints a table. Engines that are not installed are
named and left out. The figures behind docs/decisions/0006-storage-engine.md; run by hand.`

/** One write: what a commit of the tree consists of. */
type Put = readonly [key: Buffer, value: Buffer]

/** An open database, as ktree would use it. */
interface Database {
  /** Writes all or nothing; has reached the disk when the promise is kept. */
  commit(puts: readonly Put[]): Promise<void>
  /** Reads everything. */
  each(visit: (key: Buffer, value: Buffer) => void): Promise<void>
  close(): Promise<void>
}

interface Engine {
  /** Its name in the package registry. */
  readonly name: string
  /** The first version of Node.js that it runs on; an older one may crash. */
  readonly node: number
  open(module: unknown, directory: string): Promise<Database>
}

// As much of each module as is used here, for only one of them is a dependency.

interface LevelModule {
  readonly ClassicLevel: new (
    directory: string,
    options: object,
  ) => {
    open(): Promise<void>
    close(): Promise<void>
    batch(): { put(key: Buffer, value: Buffer): void; write(options: object): Promise<void> }
    iterator(options: object): {
      nextv(size: number): Promise<[Buffer, Buffer][]>
      close(): Promise<void>
    }
  }
}

interface LmdbModule {
  open(options: object): {
    put(key: Buffer, value: Buffer): Promise<boolean>
    batch(write: () => void): Promise<boolean>
    getRange(options: object): Iterable<{ key: Buffer; value: Buffer }>
    close(): Promise<void>
  }
}

interface SqliteModule {
  readonly default: new (
    file: string,
  ) => {
    exec(sql: string): void
    prepare(sql: string): {
      run(...values: Buffer[]): void
      raw(): { iterate(): Iterable<[Buffer, Buffer]> }
    }
    close(): void
  }
}

/** How much one read from LevelDB brings. */
const READ_RECORDS = 5000
const READ_BYTES = 1024 ** 2

const level: Engine = {
  name: 'classic-level',
  node: 18,
  async open(module, directory) {
    const { ClassicLevel } = module as LevelModule
    const db = new ClassicLevel(directory, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
    await db.open()
    return {
      commit(puts) {
        const batch = db.batch()
        for (const [key, value] of puts) batch.put(key, value)
        return batch.write({ sync: true })
      },
      async each(visit) {
        const iterator = db.iterator({ highWaterMarkBytes: READ_BYTES })
        for (;;) {
          const records = await iterator.nextv(READ_RECORDS)
          if (records.length === 0) break
          for (const [key, value] of records) visit(key, value)
        }
        await iterator.close()
      },
      close: () => db.close(),
    }
  },
}

const lmdb: Engine = {
  name: 'lmdb',
  node: 18,
  async open(module, path) {
    // Without overlappingSync a batch's promise is kept only when its pages are on the disk.
    const options = { path, keyEncoding: 'binary', encoding: 'binary', overlappingSync: false }
    const db = (module as LmdbModule).open(options)
    return {
      async commit(puts) {
        await db.batch(() => {
          for (const [key, value] of puts) void db.put(key, value)
        })
      },
      async each(visit) {
        for (const { key, value } of db.getRange({ snapshot: false })) visit(key, value)
      },
      close: () => db.close(),
    }
  },
}

/** better-sqlite3 and what has its interface. All of it runs on the event loop. */
function sqlite(name: string, node: number): Engine {
  return {
    name,
    node,
    async open(module, directory) {
      const db = new (module as SqliteModule).default(join(directory, 'tree.db'))
      db.exec('PRAGMA journal_mode = WAL')
      db.exec('PRAGMA synchronous = FULL')
      db.exec(
        'CREATE TABLE IF NOT EXISTS record (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID',
      )
      const put = db.prepare('INSERT OR REPLACE INTO record VALUES (?, ?)')
      const all = db.prepare('SELECT key, value FROM record ORDER BY key').raw()
      return {
        async commit(puts) {
          db.exec('BEGIN IMMEDIATE')
          for (const [key, value] of puts) put.run(key, value)
          db.exec('COMMIT')
        },
        async each(visit) {
          for (const [key, value] of all.iterate()) visit(key, value)
        },
        close: async () => db.close(),
      }
    },
  }
}

const ENGINES: readonly Engine[] = [level, lmdb, sqlite('libsql', 18), sqlite('better-sqlite3', 22)]

/** Puts in one commit, for the time of a commit. */
const COMMIT_SIZES = [1, 10, 100, 1000]
/** Milliseconds that each of them is measured. */
const COMMIT_TIME = 400
/** Puts in one commit while nodes are written in mass. */
const BATCH = 2000
const OVERWRITES = 5
const DIRECTORIES = 10_000
const KEY_HEAD = 7
const VALUE_HEAD = 16
const VALUE_SIZE = 36

/** The record of a node: a type byte, its directory's id and its name; two indexes and the value. */
function record(i: number, index: number): Put {
  // Spread over the whole range, as writes of many clients are.
  const spread = Math.imul(i, 0x9e3779b1) >>> 0
  const key = Buffer.allocUnsafe(KEY_HEAD + 15)
  key[0] = 0x6e
  key.writeUIntBE(spread % DIRECTORIES, 1, 6)
  key.write(`config-${spread.toString(16).padStart(8, '0')}`, KEY_HEAD, 'latin1')
  const value = Buffer.alloc(VALUE_HEAD + VALUE_SIZE, 0x78)
  value.writeUInt32LE(spread, 0)
  value.writeUIntLE(i, 4, 6)
  value.writeUIntLE(index, 10, 6)
  return [key, value]
}

function records(from: number, to: number, index: number): Put[] {
  return Array.from({ length: to - from }, (_, i) => record(from + i, index))
}

function sizeOf(directory: string): number {
  const files = readdirSync(directory)
  // What takes room, not what is announced: LMDB's file may have holes.
  return files.reduce((sum, name) => sum + statSync(join(directory, name)).blocks * 512, 0)
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]
}

const MB = 1024 ** 2
const number = (n: number): string => n.toLocaleString('en', { maximumFractionDigits: 0 })

interface Writing {
  /** Milliseconds: from first to last, and spent in the calls, that is, on the event loop. */
  elapsed: number
  calls: number
}

/** Writes all nodes in mass. @param index the modifiedIndex, another one each time */
async function writeAll(db: Database, nodes: number, index: number): Promise<Writing> {
  let elapsed = 0
  let calls = 0
  for (let from = 0; from < nodes; from += BATCH) {
    const puts = records(from, Math.min(nodes, from + BATCH), index)
    await nextTurn()
    const started = performance.now()
    const committed = db.commit(puts)
    calls += performance.now() - started
    await committed
    elapsed += performance.now() - started
  }
  return { elapsed, calls }
}

/** @returns milliseconds a commit of so many nodes takes, the middle one */
async function commitTime(db: Database, size: number, nodes: number): Promise<number> {
  const times: number[] = []
  const end = performance.now() + COMMIT_TIME
  while (performance.now() < end) {
    const first = (times.length * 7919 * size) % (nodes - size)
    const puts = records(first, first + size, times.length)
    const started = performance.now()
    await db.commit(puts)
    times.push(performance.now() - started)
  }
  return median(times)
}

/** Reads and decodes everything. @returns milliseconds */
async function readAll(db: Database, nodes: number): Promise<number> {
  let count = 0
  let sum = 0
  const started = performance.now()
  await db.each((key, value) => {
    const directory = key.readUIntBE(1, 6)
    const name = key.toString('latin1', KEY_HEAD)
    const text = value.toString('latin1', VALUE_HEAD)
    sum += directory + name.length + value.readUIntLE(4, 6) + value.readUIntLE(10, 6)
    if (text.length === VALUE_SIZE) count++
  })
  if (count !== nodes || sum === 0) throw new Error(`${count} of ${nodes} nodes were read`)
  return performance.now() - started
}

/** @returns the cells of one engine's row */
async function measure(engine: Engine, module: unknown, nodes: number): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'ktree-engine-'))
  try {
    let db = await engine.open(module, directory)
    const first = await writeAll(db, nodes, 1)
    const size = sizeOf(directory)
    const loop = monitorEventLoopDelay({ resolution: 1 })
    loop.enable()
    for (let index = 2; index < 2 + OVERWRITES; index++) await writeAll(db, nodes, index)
    loop.disable()
    const sizeAfter = sizeOf(directory)
    const commits: string[] = []
    for (const puts of COMMIT_SIZES) {
      const time = await commitTime(db, puts, nodes)
      commits.push(`${time.toFixed(2)} (${number((puts / time) * 1000)})`)
    }
    await db.close()
    const opening = performance.now()
    db = await engine.open(module, directory)
    const opened = performance.now() - opening
    const reading = await readAll(db, nodes)
    await db.close()
    return [
      engine.name,
      ((first.calls * 1000) / nodes).toFixed(2),
      (first.elapsed / 1000).toFixed(1),
      (loop.max / 1e6).toFixed(0),
      ...commits,
      ((opened + reading) / 1000).toFixed(2),
      `${number(size / MB)} / ${number(sizeAfter / MB)}`,
    ]
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const COLUMNS = [
  'engine',
  'event loop, µs per put',
  'all written, s',
  'longest block of the loop, ms',
  ...COMMIT_SIZES.map((size) => `commit of ${size}, ms (puts per s)`),
  'opened and read, s',
  `MB / after ${OVERWRITES} overwrites`,
]

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      nodes: { type: 'string', default: '100000' },
    },
  })
  if (values.help) {
    process.stdout.write(`${HELP}\n`)
    return
  }
  const nodes = Number(values.nodes)
  const rows = [COLUMNS, COLUMNS.map(() => '---')]
  const missing: string[] = []
  for (const engine of ENGINES) {
    if (positionals.length > 0 && !positionals.includes(engine.name)) continue
    if (Number.parseInt(process.versions.node, 10) < engine.node) {
      process.stderr.write(`${engine.name} needs Node.js ${engine.node}\n`)
      continue
    }
    let module: unknown
    try {
      // A variable, so that the compiler asks for no types of what need not be there.
      module = await import(engine.name)
    } catch {
      missing.push(engine.name)
      continue
    }
    process.stderr.write(`${engine.name} …\n`)
    try {
      rows.push(await measure(engine, module, nodes))
    } catch (error) {
      process.stderr.write(`${engine.name} failed: ${error}\n`)
    }
  }
  const machine = `${cpus().length} × ${cpus()[0]?.model}; Node.js ${process.version}; ${number(nodes)} nodes`
  process.stdout.write(`${machine}\n\n${rows.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n`)
  if (missing.length > 0) {
    process.stdout.write(`\nNot here: npm i --no-save ${missing.join(' ')}\n`)
  }
}

await main()
