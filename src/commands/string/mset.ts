// MSET · MSETNX

import { pathOfKey } from '../../keyspace/key.ts'
import type { MemoryGauge } from '../../metrics/memory-gauge.ts'
import { type Argument, KEY, VALUE } from '../../request/arguments/argument.ts'
import { wrongArity } from '../../request/arguments/errors.ts'
import type { Client, ServerContext } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { checkGrowth } from '../../request/growth.ts'
import type { RequestArguments } from '../../resp/request-arguments.ts'
import { StoreError } from '../../store/errors.ts'
import { cleanPath, tidyPath } from '../../store/path.ts'
import { PathTree, type Place } from '../../store/path-tree.ts'
import { Sets } from '../../store/sets.ts'
import { textOfValue } from '../../store/value.ts'

const SLASH = 47

const PAIRS: readonly Argument[] = [
  {
    name: 'key-value',
    type: 'block',
    multiple: true,
    args: [KEY, VALUE],
  },
]

/** Shared by both commands. */
const WRITES = {
  group: 'string',
  since: '0.1.0',
  complexity: 'O(N) where N is the number of keys',
  arity: -3,
  flags: ['write', 'denyoom'],
  keys: [1, -1, 2],
  args: PAIRS,
} as const

/** @throws CommandError if a key has no value */
function checkPairs(args: RequestArguments, name: string): void {
  if (args.length % 2 === 0) throw wrongArity(name)
}

/**
 * Checks all writes before the first one, because MSET must not fail halfway.
 *
 * @param sets will make the writes
 * @returns whether one of the keys exists
 * @throws CommandError WRONGTYPE if a key is a directory; if there are too many directories
 * @throws StoreError NOTDIR if a parent of a key is a file, or is another key of this request
 * @throws PathError if a path is too long or too deep
 */
function checkWrites({ server }: Client, args: RequestArguments, sets: Sets): boolean {
  const keys = (args.length - 1) / 2
  let files = 0
  for (let i = 1; i < args.length; i += 2) {
    if (server.keyspace.checkSet(sets, textOfValue(args[i]))) files++
  }
  // No file lies below another one, and none needs a new directory.
  if (files < keys) checkPlaces(server, args)
  server.store.checkWrites(keys)
  return files > 0
}

/** Checks where the keys lie, some of which are new. @throws as {@link checkWrites} */
function checkPlaces({ memory, store }: ServerContext, args: RequestArguments): void {
  let least = Number.POSITIVE_INFINITY
  let most = 0
  for (let i = 1; i < args.length; i += 2) {
    const depth = depthOf(textOfValue(args[i]))
    if (depth < least) least = depth
    if (depth > most) most = depth
  }
  // Keys that are equally deep cannot lie below each other.
  if (least < most) checkNesting(args, most, store.index)
  if (most > 1) checkRoom(memory, args)
}

function checkRoom(memory: MemoryGauge, args: RequestArguments): void {
  checkGrowth(memory, args.length, (visit) => {
    for (let i = 1; i < args.length; i += 2) visit(textOfValue(args[i]))
  })
}

/**
 * Checks that no key is the directory of another one, because it will be a file.
 *
 * @param most how deep the deepest key is
 * @param index the store's
 * @throws StoreError NOTDIR
 */
function checkNesting(args: RequestArguments, most: number, index: number): void {
  const paths: string[] = []
  const directories = new PathTree<true>()
  const seen = new Set<string>()
  for (let i = 1; i < args.length; i += 2) {
    const path = cleanPath(pathOfKey(textOfValue(args[i])))
    if (depthOf(path) < most) paths.push(path)
    const directory = path.slice(0, Math.max(1, path.lastIndexOf('/')))
    if (seen.has(directory)) continue
    seen.add(directory)
    directories.at(directory)
  }
  for (const path of paths) {
    let place: Place<true> | undefined = directories.root
    while (place !== undefined && place.path.length < path.length) {
      place = directories.next(place, path)
    }
    if (place !== undefined) throw new StoreError(104, path, index)
  }
}

/** How many components a key has. */
function depthOf(key: string): number {
  const tidy = tidyPath(pathOfKey(key))
  let depth = tidy.charCodeAt(0) === SLASH ? 0 : 1
  for (let at = tidy.indexOf('/'); at !== -1; at = tidy.indexOf('/', at + 1)) depth++
  return depth
}

function setAll({ server }: Client, args: RequestArguments, sets: Sets): void {
  for (let i = 1; i < args.length; i += 2) {
    const key = textOfValue(args[i])
    sets.set(key, args[i + 1])
    server.keyspace.notify('set', key)
  }
}

/** Setting many keys, all or none. */
export const msetCommands: readonly Command[] = [
  {
    name: 'mset',
    summary: 'Sets several keys; if one of them cannot be set, none is.',
    ...WRITES,
    keyFlags: [['OW', 'update']],
    takesValues: true,
    checkRoom,
    run(client, args: RequestArguments) {
      checkPairs(args, 'mset')
      const sets = new Sets(client.server.store)
      checkWrites(client, args, sets)
      setAll(client, args, sets)
      client.reply.ok()
    },
  },
  {
    name: 'msetnx',
    summary: 'Sets several keys, but only if none of them exists.',
    ...WRITES,
    keyFlags: [['OW', 'insert']],
    takesValues: true,
    checkRoom,
    run(client, args: RequestArguments) {
      checkPairs(args, 'msetnx')
      const sets = new Sets(client.server.store)
      const exists = checkWrites(client, args, sets)
      if (!exists) setAll(client, args, sets)
      client.reply.integer(exists ? 0 : 1)
    },
  },
]
