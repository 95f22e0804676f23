import { basename, dirname } from 'node:path'
import type { JournalFiles } from '../../src/log/journal-files.ts'

/** A random number from 0 up to, and without, 1. */
export type Random = () => number

interface MemoryFile {
  content: Buffer
  /** What a power cut leaves for certain. */
  durable: Buffer
}

/** As the system reports it. */
export function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: as the test wants it`), { code })
}

/** What the disk keeps, or not, in one piece when the power fails, in bytes. */
const SECTOR_BYTES = 16

/** A directory in memory, which can fail in every way that the journal must survive. */
export class MemoryDisk implements JournalFiles {
  /** Bytes left; a write takes what fits, the next one fails with ENOSPC. */
  room = Number.POSITIVE_INFINITY
  /** The most that one write takes, in bytes. */
  maxWrite = Number.POSITIVE_INFINITY
  /** Errors to come, for each function: the next call takes the first. */
  readonly errors: { write: Error[]; truncate: Error[]; sync: Error[]; create: Error[] } = {
    write: [],
    truncate: [],
    sync: [],
    create: [],
  }
  /** The number of finished calls of `sync`. */
  syncs = 0
  /** Resolved by hand, if set: syncs wait for it. */
  gate: Promise<void> | undefined

  #names = new Map<string, MemoryFile>()
  /** Names that a power cut may bring back. */
  #removed = new Map<string, MemoryFile>()
  #open = new Map<number, MemoryFile>()
  #nextFile = 1

  get names(): string[] {
    return [...this.#names.keys()].sort()
  }

  get openFiles(): number {
    return this.#open.size
  }

  content(name: string): Buffer {
    return this.#names.get(name)!.content
  }

  /** Puts a file there that is on the disk. */
  put(name: string, content: Buffer): void {
    this.#names.set(name, { content: Buffer.from(content), durable: Buffer.from(content) })
  }

  delete(name: string): void {
    this.#names.delete(name)
  }

  /** What a new process finds when the old one is gone: all that it has written. */
  afterKill(): MemoryDisk {
    const disk = new MemoryDisk()
    for (const [name, { content, durable }] of this.#names) {
      disk.#names.set(name, { content: Buffer.from(content), durable: Buffer.from(durable) })
    }
    disk.#removed = new Map(this.#removed)
    return disk
  }

  /** What a power cut leaves: of what was not synced any sectors, and any length in between. */
  afterPowerCut(random: Random): MemoryDisk {
    const disk = new MemoryDisk()
    const names = new Map(this.#names)
    for (const [name, file] of this.#removed) {
      if (!names.has(name) && random() < 0.5) names.set(name, file)
    }
    for (const [name, file] of names) disk.put(name, leftOf(file, random))
    return disk
  }

  list(): string[] {
    return [...this.#names.keys()]
  }

  open(path: string): number {
    const file = this.#names.get(basename(path))
    if (file === undefined) throw systemError('ENOENT')
    this.#open.set(this.#nextFile, file)
    return this.#nextFile++
  }

  openToRead(path: string): number {
    return this.open(path)
  }

  size(file: number): number {
    return this.#file(file).content.length
  }

  read(file: number, into: Buffer, position: number): number {
    return this.#file(file).content.copy(into, 0, position)
  }

  write(file: number, pieces: readonly Uint8Array[], position: number): number {
    fail(this.errors.write)
    const bytes = Buffer.concat(pieces)
    if (bytes.length > 0 && this.room <= 0) throw systemError('ENOSPC')
    const taken = Math.min(bytes.length, this.maxWrite, this.room)
    this.room -= taken
    const target = this.#file(file)
    const grown = Buffer.alloc(Math.max(target.content.length, position + taken))
    target.content.copy(grown)
    bytes.copy(grown, position, 0, taken)
    target.content = grown
    return taken
  }

  truncate(file: number, size: number): void {
    fail(this.errors.truncate)
    const target = this.#file(file)
    this.room += Math.max(0, target.content.length - size)
    target.content = Buffer.from(target.content.subarray(0, size))
  }

  close(file: number): void {
    this.#file(file)
    this.#open.delete(file)
  }

  async create(path: string, content: Uint8Array): Promise<number> {
    const name = basename(path)
    if (this.#names.has(name)) throw systemError('EEXIST')
    const file: MemoryFile = { content: Buffer.from(content), durable: Buffer.alloc(0) }
    this.#names.set(name, file)
    await undefined
    if (this.errors.create.length > 0) this.#names.delete(name)
    fail(this.errors.create)
    file.durable = Buffer.from(content)
    this.#removed.delete(name)
    await this.syncDirectory(dirname(path))
    return this.open(path)
  }

  async sync(file: number): Promise<void> {
    const target = this.#file(file)
    const durable = target.content
    await this.gate
    fail(this.errors.sync)
    target.durable = durable
    this.syncs++
  }

  syncNow(file: number): void {
    const target = this.#file(file)
    fail(this.errors.sync)
    target.durable = target.content
    this.syncs++
  }

  async syncDirectory(_directory: string): Promise<void> {
    await undefined
    this.#removed.clear()
  }

  async remove(path: string): Promise<void> {
    const name = basename(path)
    const file = this.#names.get(name)
    if (file !== undefined) this.#removed.set(name, file)
    this.#names.delete(name)
  }

  #file(file: number): MemoryFile {
    const target = this.#open.get(file)
    if (target === undefined) throw systemError('EBADF')
    return target
  }
}

function fail(errors: Error[]): void {
  const error = errors.shift()
  if (error !== undefined) throw error
}

function leftOf({ content, durable }: MemoryFile, random: Random): Buffer {
  const [short, long] = [content.length, durable.length].sort((a, b) => a - b)
  const share = random()
  const length =
    share < 0.3
      ? durable.length
      : share < 0.6
        ? content.length
        : (short + (long - short) * random()) | 0
  const left = Buffer.alloc(length)
  durable.copy(left)
  const keepAll = random() < 0.3
  for (let at = 0; at < length; at += SECTOR_BYTES) {
    const end = Math.min(at + SECTOR_BYTES, length)
    const isNew = !content.subarray(at, end).equals(durable.subarray(at, end))
    if (isNew && at < content.length && (keepAll || random() < 0.5)) content.copy(left, at, at, end)
  }
  return left
}
