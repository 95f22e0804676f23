// SCAN

import type { User } from '../../access/user.ts'
import { keyOfPath } from '../../keyspace/key.ts'
import { CommandError, notAnInteger, syntaxError } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import { keyGlob } from '../../request/arguments/pattern.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { checkWork } from '../../request/exec-limits.ts'
import { TIME_OF } from '../../request/long-work.ts'
import { triesFor, triesOf } from '../../request/search.ts'
import { writeBulk, writeList } from '../../resp/reply-list.ts'
import type { Store } from '../../store/store.ts'
import type { Glob } from '../../text/glob.ts'
import { KeyRoom } from './key-room.ts'
import { pathIn, visiblePathsFor } from './visible-keys.ts'

/** The COUNT of a request that gives none (Redis). */
const DEFAULT_COUNT = 10
/** One SCAN looks at no more than COUNT times this many files, as in Redis. */
const MAX_LOOKS_PER_KEY = 10

/** One SCAN compares files with no more than this many patterns of its user, so that others are served. */
const MAX_TRIES = 1_000_000

/** A cursor is an epoch and a position in the list of files: epoch * POSITIONS + position. */
const POSITIONS = 2 ** 32

/**
 * A cursor as C's strtoul reads it: with or without a sign, possibly empty, ended by a NUL. No 64-bit
 * number has more digits.
 */
const CURSOR = /^(?:([+-]?)(\d{1,20}))?(?:$|\0)/
const MAX_CURSOR = 2n ** 64n - 1n

/** @throws CommandError unless Redis would take the cursor */
function parseCursor(text: string): number {
  const match = CURSOR.exec(text)
  const value = BigInt(match?.[2] ?? 0)
  if (match === null || value > MAX_CURSOR) throw new CommandError('ERR invalid cursor')
  return Number(match[1] === '-' ? BigInt.asUintN(64, -value) : value)
}

/**
 * How many files are still to be scanned from this cursor on. For an unknown cursor, or one of an
 * earlier list, these are all files.
 */
function filesLeft({ fileList }: Store, cursor: number): number {
  if (Math.floor(cursor / POSITIONS) !== fileList.epoch) return fileList.length
  return Math.min(cursor % POSITIONS, fileList.length)
}

interface ScanOptions {
  pattern: Glob | undefined
  count: number
  type: string | undefined
}

/**
 * Parses the options as Redis does: in any order, and the last one of each kind counts.
 *
 * @throws CommandError
 */
function parseScanOptions(args: readonly string[]): ScanOptions {
  const options: ScanOptions = { pattern: undefined, count: DEFAULT_COUNT, type: undefined }
  for (let i = 2; i < args.length; i += 2) {
    const value = args[i + 1]
    if (value === undefined) throw syntaxError()
    switch (tokenOf(args[i])) {
      case 'MATCH':
        options.pattern = value === '*' ? undefined : keyGlob(value)
        break
      case 'COUNT':
        options.count = parseCount(value)
        break
      case 'TYPE':
        options.type = tokenOf(value)
        break
      default:
        throw syntaxError()
    }
  }
  return options
}

/** @throws CommandError unless the text is an integer above 0 */
function parseCount(text: string): number {
  const count = readInteger64(text)
  if (count === undefined) throw notAnInteger()
  if (count < 1n) throw syntaxError()
  return Number(count)
}

/** Replies with an array of keys. @param bytes what they take in memory */
export function replyKeys({ reply }: Client, keys: readonly string[], bytes: number): void {
  reply.array(keys.length)
  writeList(reply, keys, writeBulk, bytes)
}

/** How many files one SCAN of a user may look at. @param tries how many patterns each is compared with */
function mostLooks(user: User, tries: number): number {
  return user.unrestricted ? Number.POSITIVE_INFINITY : Math.ceil(MAX_TRIES / (1 + tries))
}

/** SCAN. */
function scan(client: Client, args: readonly string[]): void {
  const { store, memory, longWork } = client.server
  const cursor = parseCursor(args[1])
  const { pattern, count, type } = parseScanOptions(args)
  const { fileList } = store
  const paths = visiblePathsFor(client)
  const looksBefore = paths.looks
  const keys: string[] = []
  const from = filesLeft(store, cursor)
  let left = from
  let characters = 0
  const { user } = client
  const tries = user.unrestricted ? 0 : triesOf(user)
  if (tries > 0) checkWork(client, 'triedPatterns')
  longWork.begin(Math.min(count, left) * TIME_OF.foundFile, client.executing)
  const room = new KeyRoom(memory, 1 + tries)
  const looks = Math.min(count * MAX_LOOKS_PER_KEY, mostLooks(user, tries))
  const end = Math.max(0, left - looks)
  for (let counted = 0; left > end && counted < count && room.isLeft; ) {
    const path = pathIn(paths, fileList.at(--left), room)
    if (path === undefined) continue
    room.look(path.length)
    characters += path.length
    if (!user.unrestricted && !user.mayRead(path)) continue
    counted++
    if (type !== undefined && type !== 'STRING') continue
    const key = keyOfPath(path)
    if (pattern !== undefined && !pattern.matches(key)) continue
    keys.push(key)
    room.keep(key.length)
  }
  longWork.note((paths.looks - looksBefore) * TIME_OF.passedDirectory)
  client.triedPatterns += triesFor(tries, from - left, characters)
  client.reply.array(2)
  client.reply.bulk(left === 0 ? '0' : String(fileList.epoch * POSITIONS + left))
  replyKeys(client, keys, room.bytes)
}

/** Iterating over all keys. */
export const scanCommands: readonly Command[] = [
  {
    name: 'scan',
    summary: 'Iterates over all keys, some with each call.',
    group: 'generic',
    since: '0.1.0',
    complexity: 'O(1) for each call, O(N) for all together where N is the number of keys',
    arity: -2,
    flags: ['readonly'],
    broad: true,
    reach: 'readable',
    args: [
      { name: 'cursor', type: 'integer' },
      { name: 'pattern', type: 'pattern', token: 'MATCH', optional: true },
      { name: 'count', type: 'integer', token: 'COUNT', optional: true },
      { name: 'type', type: 'string', token: 'TYPE', optional: true },
    ],
    run: scan,
  },
]
