// MSET · MSETNX

import { pathOfKey } from '../../keyspace/key.ts'
import { type Argument, KEY, VALUE } from '../../request/arguments/argument.ts'
import { wrongArity } from '../../request/arguments/errors.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import type { RequestArguments } from '../../resp/request-arguments.ts'
import { StoreError } from '../../store/errors.ts'
import { cleanPath, isBelow } from '../../store/path.ts'
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
 * @returns whether one of the keys exists
 * @throws CommandError WRONGTYPE if a key is a directory
 * @throws StoreError NOTDIR if a parent of a key is a file, or is another key of this request
 * @throws PathError if a path is too long or too deep
 */
function checkWrites(client: Client, args: RequestArguments): boolean {
  let exists = false
  let nested = false
  for (let i = 1; i < args.length; i += 2) {
    const key = textOfValue(args[i])
    if (client.server.keyspace.checkSet(key)) exists = true
    if (key.includes('/', 1)) nested = true
  }
  if (nested) checkNesting(client, args)
  return exists
}

/** @throws StoreError NOTDIR if a key lies below another one, because that will be a file */
function checkNesting({ server }: Client, args: RequestArguments): void {
  const paths: string[] = []
  for (let i = 1; i < args.length; i += 2) paths.push(cleanPath(pathOfKey(textOfValue(args[i]))))
  paths.sort(compareAsTree)
  for (let i = 1; i < paths.length; i++) {
    if (isBelow(paths[i], paths[i - 1])) throw new StoreError(104, paths[i - 1], server.store.index)
  }
}

/** Sorts the slash before all other characters, so that the paths below a path follow it directly. */
function compareAsTree(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    if (x === SLASH) return -1
    return y === SLASH ? 1 : x - y
  }
  return a.length - b.length
}

function setAll(client: Client, args: RequestArguments): void {
  for (let i = 1; i < args.length; i += 2) {
    const key = textOfValue(args[i])
    client.server.keyspace.set(key, args[i + 1])
    client.server.keyspace.notify('set', key)
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
    run(client, args: RequestArguments) {
      checkPairs(args, 'mset')
      checkWrites(client, args)
      setAll(client, args)
      client.reply.ok()
    },
  },
  {
    name: 'msetnx',
    summary: 'Sets several keys, but only if none of them exists.',
    ...WRITES,
    keyFlags: [['OW', 'insert']],
    takesValues: true,
    run(client, args: RequestArguments) {
      checkPairs(args, 'msetnx')
      const exists = checkWrites(client, args)
      if (!exists) setAll(client, args)
      client.reply.integer(exists ? 0 : 1)
    },
  },
]
