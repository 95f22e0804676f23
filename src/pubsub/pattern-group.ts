/*
 * Problem: thousands of patterns may be kept at one directory: `/jobs/*-1`, `/jobs/*-2` ... An event below it was
 * compared with each of them, so a RENAME of 100,000 nodes waited for half a minute of comparisons.
 *
 * Trick: a key that matches a pattern has all its literal pieces in it. Each pattern is kept under one run of three
 * bytes that it names literally (two or one, if it names no more), and a key is compared only with the patterns
 * that are kept under one of its own runs:
 *
 *     /jobs/ab-7    /jo job obs bs/ s/a /ab ab- b-7
 *                                               └── `/jobs/*b-7`, `/jobs/*b-7?*`
 *
 * Of its runs, a pattern takes the one under which the fewest are kept.
 *
 * Price: a Set for each run that is used, and 8 KB; some 4 ns for each byte of a key. A pattern that names nothing is
 * compared with each key, as before, and so are patterns whose only run is one that all keys have.
 * Gain: one event, compared with 10,000 patterns `/*z1`, `/*z2` ... took 280 µs, and takes 5.
 * Can be deleted by comparing each key with all patterns.
 */

import type { Place } from '../store/path-tree.ts'
import { matchGlob } from '../text/glob.ts'
import { classEnd } from '../text/glob-class.ts'
import { RUN_BYTES, RunMap, runNumber } from './run-map.ts'
import type { Subscriber } from './subscriber.ts'

/** So few patterns are compared with a key one by one. */
const MIN_INDEXED = 32
/** A run under which so many patterns are kept hardly tells one from another. */
const CROWD = 128
/** A pattern chooses among the first runs that it has. */
const MAX_CHOICE = 64
/** Stands for the run of a pattern that names nothing. */
const NO_RUN = 0
const STAR = 42
const SLASH = 47
const QUESTION = 63
const OPEN = 91
const BACKSLASH = 92

const NONE: readonly never[] = []

/** Begins what a pattern does not name literally. */
export const SPECIAL = /[*?[\\]/

/** A pattern, and those who listen to what it matches. */
export interface IndexedPattern {
  readonly pattern: string
  readonly listeners: Set<Subscriber>
  /** Higher than that of all patterns that were there before. */
  readonly order: number
  /** The number of the run that it is kept under. */
  run: number
}

/** A pattern that begins with a slash, and matches keys of events. */
export interface TreePattern extends IndexedPattern {
  readonly place: Place<PatternGroup>
  /** Whether it was common when it came: see {@link CommonPatterns}. */
  readonly isCommon: boolean
}

/** The patterns that are kept under one run. */
class Bucket<Kept> {
  readonly patterns = new Set<Kept>()
  /** The number of the last search that has come here: a key may have a run more than once. */
  search = 0
}

/** The patterns that are kept at one place, and that match a key only at this place or below it; or those of channels. */
export class PatternGroup<Kept extends IndexedPattern = TreePattern> {
  /** Where the part of patterns and keys begins that they need not have in common. */
  readonly #start: number
  readonly #all = new Set<Kept>()
  /** Those that are compared with every key. */
  #always = this.#all
  /** The others, by a run of theirs. Absent while there are few patterns. */
  #buckets: RunMap<Bucket<Kept>> | undefined
  #search = 0

  /** @param path of the place; empty for channels */
  constructor(path: string) {
    this.#start = path === '/' ? 0 : path.length
  }

  get size(): number {
    return this.#all.size
  }

  /** How many every key is compared with. */
  get always(): number {
    return this.#always.size
  }

  /** The numbers of all runs that others are kept under, and how many those are. */
  *runs(): Generator<readonly [number, number], undefined> {
    for (const [run, { patterns }] of this.#buckets?.entries() ?? []) yield [run, patterns.size]
  }

  /**
   * Whether a pattern that is not here yet would be compared with most keys: it names nothing, or only what many others
   * name. A directory, or the beginning of a name, is something: few patterns of such a kind match one key.
   */
  isCommon(pattern: string): boolean {
    const special = pattern.search(SPECIAL)
    if (special === -1 || (special === pattern.length - 1 && pattern.endsWith('*'))) return false
    const runs = runsOf(pattern, this.#start)
    return runs.every((run) => (this.#buckets?.get(run)?.patterns.size ?? 0) >= CROWD)
  }

  add(pattern: Kept): void {
    this.#all.add(pattern)
    if (this.#buckets !== undefined) this.#keep(this.#buckets, pattern)
    else if (this.#all.size > MIN_INDEXED) {
      this.#buckets = new RunMap()
      this.#always = new Set()
      for (const each of this.#all) this.#keep(this.#buckets, each)
    }
  }

  remove(pattern: Kept): void {
    this.#all.delete(pattern)
    this.#always.delete(pattern)
    const bucket = this.#buckets?.get(pattern.run)
    if (bucket?.patterns.delete(pattern) !== true) return
    if (bucket.patterns.size === 0) this.#buckets?.delete(pattern.run)
  }

  /** Whether the runs of a key are looked for. */
  get isSearched(): boolean {
    return this.always < this.size
  }

  /** Collects the patterns that match a key, in no order. @returns how many it has been compared with */
  collect(key: string, into: Kept[]): number {
    let tried = collectFrom(this.#always, key, into)
    for (const { patterns } of this.#found(key)) tried += collectFrom(patterns, key, into)
    return tried
  }

  /** With how many patterns {@link collect} compares a key. */
  comparisonsAt(key: string): number {
    let compared = this.always
    for (const { patterns } of this.#found(key)) compared += patterns.size
    return compared
  }

  /** Those buckets whose runs a key has. */
  #found(key: string): readonly Bucket<Kept>[] {
    const buckets = this.#buckets
    if (buckets === undefined || buckets.size === 0) return NONE
    const found: Bucket<Kept>[] = []
    const start = this.#start
    const search = ++this.#search
    let bytes = 0
    for (let at = start; at < key.length; at++) {
      bytes = ((bytes << 8) | key.charCodeAt(at)) & 0xff_ff_ff
      for (let length = Math.min(RUN_BYTES, 1 + at - start); length > 0; length--) {
        const bucket = buckets.find(bytes, length)
        if (bucket === undefined || bucket.search === search) continue
        bucket.search = search
        found.push(bucket)
      }
    }
    return found
  }

  /** Keeps a pattern under the run that the fewest have. */
  #keep(buckets: RunMap<Bucket<Kept>>, pattern: Kept): void {
    let fewest = Number.POSITIVE_INFINITY
    for (const run of runsOf(pattern.pattern, this.#start)) {
      const count = buckets.get(run)?.patterns.size ?? 0
      if (count >= fewest) continue
      fewest = count
      pattern.run = run
    }
    if (pattern.run === NO_RUN) {
      this.#always.add(pattern)
      return
    }
    let bucket = buckets.get(pattern.run)
    if (bucket === undefined) {
      bucket = new Bucket<Kept>()
      buckets.set(pattern.run, bucket)
    }
    bucket.patterns.add(pattern)
  }
}

/** @returns how many patterns there were */
function collectFrom<Kept extends IndexedPattern>(
  patterns: Iterable<Kept>,
  key: string,
  into: Kept[],
): number {
  let tried = 0
  for (const each of patterns) {
    tried++
    if (matchGlob(each.pattern, key)) into.push(each)
  }
  return tried
}

/**
 * The first of the longest runs of bytes that every key has that a pattern matches. A slash alone is none, because every
 * key has it.
 *
 * @param start where to begin
 */
function runsOf(pattern: string, start: number): number[] {
  const runs: number[] = []
  let longest = 1
  let bytes = 0
  let length = 0
  for (let at = start; at < pattern.length && runs.length < MAX_CHOICE; ) {
    const code = pattern.charCodeAt(at)
    if (code === STAR || code === QUESTION || code === OPEN || code === BACKSLASH) {
      length = 0
      at = code === OPEN ? classEnd(pattern, at) : code === BACKSLASH ? at + 2 : at + 1
      continue
    }
    bytes = ((bytes << 8) | code) & 0xff_ff_ff
    length = Math.min(length + 1, RUN_BYTES)
    if (length > longest) {
      longest = length
      runs.length = 0
    }
    if (length === longest && (length > 1 || code !== SLASH)) runs.push(runNumber(bytes, length))
    at++
  }
  return runs
}
