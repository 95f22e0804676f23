import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseArgs } from 'node:util'

const HELP = `node engines.js [name ...] [--nodes N]
Measures engines that could keep ktree's tree on disk, and prints a table. Engines not installed are
named and left out. It made the figures of docs/decisions/0006-storage-engine.md; run it by hand.`

/** One record of a commit. */
type Put = readonly [key: Buffer, value: Buffer]

/** An open database, as ktree would use it. */
interface Database {
  /** Writes all records or none; resolves when they are on disk. */
  commit(puts: readonly Put[]): Promise<void>
  /** Reads all records. */
  each(visit: (key: Buffer, value: Buffer) => void): Promise<void>
  close(): Promise<void>
}

interface Engine {
  /** Its name in the package registry. */
  readonly name: string
  /** The first version of Node.js that the engine supports; it may crash an older one. */
  readonly node: number
  open(module: unknown, directory: string): Promise<Database>
}

// The used parts of each module are declared here, because only one module is a dependency.

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

/** Records in one read from LevelDB. */
const MAX_READ_RECORDS = 5000
/** Bytes in one read from LevelDB. */
const MAX_READ_BYTES = 1024 ** 2

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
        const iterator = db.iterator({ highWaterMarkBytes: MAX_READ_BYTES })
        for (;;) {
          const records = await iterator.nextv(MAX_READ_RECORDS)
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
    // Without overlappingSync a batch's promise resolves only when its pages are on disk.
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

/** better-sqlite3, or a module with its interface. It runs on the event loop. */
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

/** Puts per commit, in the measurements of single commits. */
const COMMIT_SIZES = [1, 10, 100, 1000]
/** Each size is measured for this long. */
const COMMIT_TIME_MS = 400
/** Puts per commit, while all nodes are written. */
const BATCH_PUTS = 2000
const OVERWRITES = 5
const DIRECTORIES = 10_000
/** Bytes of a key before the node's name. */
const KEY_HEAD_BYTES = 7
/** Bytes of a record's value before the node's value. */
const VALUE_HEAD_BYTES = 16
const VALUE_BYTES = 36

/**
 * The record of a node. Its key: a type byte, the directory's id and the node's name. Its value: two
 * indexes and the node's value.
 */
function record(i: number, index: number): Put {
  // The keys spread over the whole range, like the writes of many clients.
  const spread = Math.imul(i, 0x9e3779b1) >>> 0
  const key = Buffer.allocUnsafe(KEY_HEAD_BYTES + 15)
  key[0] = 0x6e
  key.writeUIntBE(spread % DIRECTORIES, 1, 6)
  key.write(`config-${spread.toString(16).padStart(8, '0')}`, KEY_HEAD_BYTES, 'latin1')
  const value = Buffer.alloc(VALUE_HEAD_BYTES + VALUE_BYTES, 0x78)
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
  // Allocated blocks, not file lengths, because LMDB's file may have holes.
  return files.reduce((sum, name) => sum + statSync(join(directory, name)).blocks * 512, 0)
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]
}

const MB = 1024 ** 2
const number = (n: number): string => n.toLocaleString('en', { maximumFractionDigits: 0 })

interface Writing {
  /** Milliseconds from the first commit to the last. */
  elapsed: number
  /** Milliseconds within the calls, which block the event loop. */
  calls: number
}

/** Writes all nodes. @param index the modifiedIndex, a different one for each call */
async function writeAll(db: Database, nodes: number, index: number): Promise<Writing> {
  let elapsed = 0
  let calls = 0
  for (let from = 0; from < nodes; from += BATCH_PUTS) {
    const puts = records(from, Math.min(nodes, from + BATCH_PUTS), index)
    await nextTurn()
    const started = performance.now()
    const committed = db.commit(puts)
    calls += performance.now() - started
    await committed
    elapsed += performance.now() - started
  }
  return { elapsed, calls }
}

/** The median time of a commit of `size` nodes, in milliseconds. */
async function commitTime(db: Database, size: number, nodes: number): Promise<number> {
  const times: number[] = []
  const end = performance.now() + COMMIT_TIME_MS
  while (performance.now() < end) {
    const first = (times.length * 7919 * size) % (nodes - size)
    const puts = records(first, first + size, times.length)
    const started = performance.now()
    await db.commit(puts)
    times.push(performance.now() - started)
  }
  return median(times)
}

/** Reads and decodes all records. @returns milliseconds */
async function readAll(db: Database, nodes: number): Promise<number> {
  let count = 0
  let sum = 0
  const started = performance.now()
  await db.each((key, value) => {
    const directory = key.readUIntBE(1, 6)
    const name = key.toString('latin1', KEY_HEAD_BYTES)
    const text = value.toString('latin1', VALUE_HEAD_BYTES)
    sum += directory + name.length + value.readUIntLE(4, 6) + value.readUIntLE(10, 6)
    if (text.length === VALUE_BYTES) count++
  })
  if (count !== nodes || sum === 0) throw new Error(`${count} of ${nodes} nodes were read`)
  return performance.now() - started
}

/** Measures one engine. @returns the cells of its row */
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
      // The name is a variable, because the compiler would ask for the types of a literal name.
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
