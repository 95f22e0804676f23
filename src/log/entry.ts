import type { RequestArguments } from '../resp/request-arguments.ts'
import { ACTIONS, type Action, type Event } from '../store/event.ts'
import { STAT_NAMES, type Stats } from '../store/stats.ts'
import { bytesOf, copyValue, textIn, type Value, writeValue } from '../store/value.ts'
import { DamagedJournalError, JournalError } from './journal-errors.ts'

/**
 * What has changed the store in one turn of the event loop, in bytes: one record of the journal.
 *
 *     record  = version 1 | the store's index after it 8 | entry ...
 *     entry   = kind 1 | time 8 | body
 *     command = count of requests | request ...       more than one: an EXEC
 *     request = count of arguments | argument ...
 *     expire  = count of nodes                        the next that are due at the time
 *     event   = action 1 | flags 1 | path | value | expiry 8
 *     stats   = value ...                             of all counters, in their order
 *
 * A count and a length are one byte below 254, else 254 and four bytes. Numbers are little-endian; a time
 * is a double in Unix milliseconds. An entry whose kind has SAME_TIME added has no time of its own.
 */
export const ENTRY_VERSION = 1

/** A write that no command has made, as the store's event tells of it. */
export interface DirectWrite {
  readonly action: Action
  readonly path: string
  readonly dir: boolean
  readonly refresh: boolean
  /** Empty for a directory, and where the action takes no value. */
  readonly value: Value
  /** Unix milliseconds. */
  readonly expireTime: number | undefined
}

/** What has changed the store, and when, in Unix milliseconds. */
export type Entry =
  | { kind: 'requests'; time: number; requests: readonly RequestArguments[] }
  | { kind: 'expire'; time: number; count: number }
  | { kind: 'direct'; time: number; write: DirectWrite }
  | { kind: 'stats'; time: number; values: readonly number[] }

const REQUESTS = 1
const EXPIRE = 2
const DIRECT = 3
const STATS = 4
const SAME_TIME = 0x80

const DIR = 1
const REFRESH = 2
const EXPIRES = 4

const HEADER_BYTES = 1 + 8
const CHUNK_BYTES = 64 * 1024
/** A chunk that has grown beyond this is not kept for the next record, in bytes. */
const MAX_KEPT_BYTES = 1024 * 1024
/** Longer bytes become a piece of their own, which is not copied. */
const MAX_COPIED_BYTES = 16 * 1024
/** Shorter text is put byte by byte, because a call out of JavaScript costs as much. */
const MAX_LOOP_CHARACTERS = 32
const MAX_SHORT = 253
const LONG = 254
/** The most bytes of a count or length. */
const LENGTH_BYTES = 5
/** The most bytes of an entry without its arguments. */
const ENTRY_BYTES = 1 + 8 + 2 * LENGTH_BYTES

/** Encodes the entries of one record. */
export class EntryWriter {
  #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  /** Where the chunk's part of the record begins, and where it ends. */
  #start = 0
  #at = HEADER_BYTES
  /** What comes before the chunk. */
  #pieces: Uint8Array[] = []
  #pieceBytes = 0
  #header: Buffer = this.#chunk
  #time = Number.NaN

  /** How many bytes the record has so far. */
  get length(): number {
    return this.#pieceBytes + this.#at - this.#start
  }

  get isEmpty(): boolean {
    return this.#at === HEADER_BYTES && this.#pieces.length === 0
  }

  /** A command. @param time when it ran, in Unix milliseconds */
  command(args: readonly Value[], time: number): void {
    this.#begin(REQUESTS, time)
    this.#length(1)
    this.#request(args)
  }

  /** An EXEC. @param requests those that have changed something, in order */
  transaction(requests: readonly (readonly Value[])[], time: number): void {
    this.#begin(REQUESTS, time)
    this.#length(requests.length)
    for (const args of requests) this.#request(args)
  }

  /** The next `count` nodes that are due at a time have expired. */
  expire(count: number, time: number): void {
    this.#begin(EXPIRE, time)
    this.#length(count)
  }

  /** A write that no command has made. */
  direct(event: Event, time: number): void {
    const { action, node, refresh } = event
    this.#begin(DIRECT, time)
    this.#room(2)
    this.#chunk[this.#at++] = ACTIONS.indexOf(action)
    this.#chunk[this.#at++] =
      (node.dir ? DIR : 0) | (refresh ? REFRESH : 0) | (node.expiration === undefined ? 0 : EXPIRES)
    this.#argument(node.key)
    this.#argument(node.dir || refresh ? '' : (node.value ?? ''))
    if (node.expiration !== undefined) this.#number(node.expiration)
  }

  /** All counters, because reads and failed writes have changed some of them. */
  stats(stats: Stats, time: number): void {
    this.#begin(STATS, time)
    for (const name of STAT_NAMES) this.#number(stats[name])
  }

  /**
   * The record, which stays as it is until {@link clear}; further entries may follow.
   *
   * @param index the store's, after the last entry
   */
  pieces(index: number): readonly Uint8Array[] {
    this.#header[0] = ENTRY_VERSION
    this.#header.writeDoubleLE(index, 1)
    return [...this.#pieces, this.#chunk.subarray(this.#start, this.#at)]
  }

  /** Begins the next record. @param isKept whether somebody still reads the last one */
  clear(isKept: boolean): void {
    if (this.#pieces.length > 0) this.#pieces = []
    this.#pieceBytes = 0
    if (isKept || this.#chunk.length > MAX_KEPT_BYTES) {
      this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    }
    this.#header = this.#chunk
    this.#start = 0
    this.#at = HEADER_BYTES
    this.#time = Number.NaN
  }

  #begin(kind: number, time: number): void {
    this.#room(ENTRY_BYTES)
    if (time === this.#time) {
      this.#chunk[this.#at++] = kind | SAME_TIME
      return
    }
    this.#time = time
    this.#chunk[this.#at++] = kind
    this.#number(time)
  }

  #request(args: readonly Value[]): void {
    this.#room(LENGTH_BYTES)
    this.#length(args.length)
    for (const arg of args) this.#argument(arg)
  }

  #argument(arg: Value): void {
    const { length } = arg
    if (length > MAX_COPIED_BYTES) {
      this.#room(LENGTH_BYTES)
      this.#length(length)
      this.#piece(typeof arg === 'string' ? bytesOf(arg) : arg)
      return
    }
    this.#room(LENGTH_BYTES + length)
    this.#length(length)
    const chunk = this.#chunk
    const at = this.#at
    if (typeof arg !== 'string' || length > MAX_LOOP_CHARACTERS) writeValue(chunk, at, arg)
    else for (let i = 0; i < length; i++) chunk[at + i] = arg.charCodeAt(i)
    this.#at = at + length
  }

  #piece(bytes: Buffer): void {
    this.#pieces.push(this.#chunk.subarray(this.#start, this.#at), bytes)
    this.#pieceBytes += this.#at - this.#start + bytes.length
    this.#start = this.#at
  }

  #number(value: number): void {
    this.#room(8)
    this.#chunk.writeDoubleLE(value, this.#at)
    this.#at += 8
  }

  /** There must be room. */
  #length(length: number): void {
    if (length <= MAX_SHORT) {
      this.#chunk[this.#at++] = length
      return
    }
    this.#chunk[this.#at++] = LONG
    this.#at = this.#chunk.writeUInt32LE(length, this.#at)
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#chunk.length) return
    if (this.#at > this.#start) {
      this.#pieces.push(this.#chunk.subarray(this.#start, this.#at))
      this.#pieceBytes += this.#at - this.#start
    }
    this.#chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES * 4, bytes))
    this.#start = this.#at = 0
  }
}

/** Reads the entries of a record. */
export class EntryReader {
  /** The store's index after the last entry. */
  readonly index: number
  readonly #record: Buffer
  #at = HEADER_BYTES
  #time = 0

  /** @throws JournalError if a newer ktree has written it, or it is too short */
  constructor(record: Buffer) {
    if (record.length < HEADER_BYTES)
      throw new DamagedJournalError('the journal', 'a record is too short')
    if (record[0] > ENTRY_VERSION) {
      throw new JournalError(
        `the journal was written by a newer ktree, in format ${record[0]}; ` +
          `this one knows formats up to ${ENTRY_VERSION}`,
      )
    }
    this.#record = record
    this.index = record.readDoubleLE(1)
  }

  /** @returns undefined at the end @throws JournalError if it is not an entry */
  next(): Entry | undefined {
    if (this.#at >= this.#record.length) return undefined
    try {
      return this.#entry()
    } catch (error) {
      if (error instanceof RangeError) {
        throw new DamagedJournalError('the journal', 'an entry is cut short')
      }
      throw error
    }
  }

  #entry(): Entry {
    const kind = this.#byte()
    if (kind < SAME_TIME) this.#time = this.#number()
    const time = this.#time
    switch (kind & ~SAME_TIME) {
      case REQUESTS: {
        const requests: RequestArguments[] = []
        for (let left = this.#length(); left > 0; left--) requests.push(this.#request())
        return { kind: 'requests', time, requests }
      }
      case EXPIRE:
        return { kind: 'expire', time, count: this.#length() }
      case DIRECT:
        return { kind: 'direct', time, write: this.#direct() }
      case STATS:
        return { kind: 'stats', time, values: STAT_NAMES.map(() => this.#number()) }
    }
    throw new DamagedJournalError('the journal', `an entry has an unknown kind: ${kind}`)
  }

  #request(): RequestArguments {
    const args = new Array<Value>(this.#length())
    for (let i = 0; i < args.length; i++) args[i] = this.#value()
    return args as unknown as RequestArguments
  }

  #direct(): DirectWrite {
    const action = ACTIONS[this.#byte()]
    const flags = this.#byte()
    const path = this.#text()
    const value = this.#value()
    const expireTime = (flags & EXPIRES) === 0 ? undefined : this.#number()
    const dir = (flags & DIR) !== 0
    return { action, path, dir, refresh: (flags & REFRESH) !== 0, value, expireTime }
  }

  #byte(): number {
    return this.#record.readUInt8(this.#at++)
  }

  #length(): number {
    const short = this.#byte()
    if (short <= MAX_SHORT) return short
    this.#at += 4
    return this.#record.readUInt32LE(this.#at - 4)
  }

  #number(): number {
    this.#at += 8
    return this.#record.readDoubleLE(this.#at - 8)
  }

  #text(): string {
    const start = this.#skip()
    return textIn(this.#record, start, this.#at)
  }

  #value(): Value {
    const start = this.#skip()
    return copyValue(this.#record, start, this.#at)
  }

  /** Goes behind a text or value. @returns where its bytes begin */
  #skip(): number {
    const length = this.#length()
    const start = this.#at
    this.#at += length
    if (this.#at > this.#record.length) throw new RangeError('beyond the record')
    return start
  }
}
