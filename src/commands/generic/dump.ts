// DUMP · RESTORE

import { pathOfKey } from '../../keyspace/key.ts'
import {
  decodedLength,
  decodeString,
  encodeString,
  PayloadError,
} from '../../rdb/string-payload.ts'
import { KEY } from '../../request/arguments/argument.ts'
import { CommandError, notAnInteger, syntaxError } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { beginCopy } from '../../request/exec-limits.ts'
import { TIME_OF } from '../../request/long-work.ts'
import { LARGE_VALUE_BYTES, MAX_VALUE_BYTES, textOfValue, type Value } from '../../store/value.ts'

const MAX_FREQUENCY = 255n

/** The rest are options. */
type RestoreArguments = readonly [
  name: string,
  key: string,
  ttl: string,
  payload: Value,
  ...options: Value[],
]

interface RestoreOptions {
  replace: boolean
  absolute: boolean
}

/** @throws CommandError unless the text is an integer of 64 bits */
function integerOf(text: string): bigint {
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  return value
}

/**
 * Parses the options as Redis does. IDLETIME and FREQ exclude each other; they are checked but have no
 * effect.
 *
 * @throws CommandError
 */
function parseRestoreOptions(args: readonly Value[]): RestoreOptions {
  const options = { replace: false, absolute: false }
  let used: string | undefined
  for (let i = 4; i < args.length; i++) {
    const option = tokenOf(args[i])
    if (option === 'REPLACE') {
      options.replace = true
      continue
    }
    if (option === 'ABSTTL') {
      options.absolute = true
      continue
    }
    const known = option === 'IDLETIME' || option === 'FREQ'
    if (!known || i + 1 === args.length || (used ?? option) !== option) throw syntaxError()
    used = option
    const value = integerOf(textOfValue(args[++i]))
    if (option === 'IDLETIME' && value < 0n) {
      throw new CommandError('ERR Invalid IDLETIME value, must be >= 0')
    }
    if (option === 'FREQ' && (value < 0n || value > MAX_FREQUENCY)) {
      throw new CommandError('ERR Invalid FREQ value, must be >= 0 and <= 255')
    }
  }
  return options
}

/**
 * @returns milliseconds, or Unix milliseconds with ABSTTL; 0 means that the key never expires
 * @throws CommandError unless the text is an integer from 0 on
 */
function parseTtl(text: string): number {
  const ttl = integerOf(text)
  if (ttl < 0n) throw new CommandError('ERR Invalid TTL value, must be >= 0')
  return Number(ttl)
}

/** @throws CommandError if the payload is damaged, or not a string */
function decode(client: Client, payload: Value): Value {
  try {
    return decodeString(payload, client.server.config.get('proto-max-bulk-len'))
  } catch (error) {
    if (error instanceof PayloadError) throw new CommandError(`ERR ${error.message}`)
    throw error
  }
}

/** RESTORE. */
function restore(client: Client, args: RestoreArguments): void {
  const { server, reply } = client
  const [, key, ttlText, payload] = args
  const { replace, absolute } = parseRestoreOptions(args)
  const node = server.store.lookup(pathOfKey(key))
  if (!replace && node !== undefined) {
    throw new CommandError('BUSYKEY Target key name already exists.')
  }
  const ttl = parseTtl(ttlText)
  const value = decode(client, payload)
  const now = server.clock.now()
  const time = ttl === 0 || absolute ? ttl : ttl + now
  if (ttl === 0 || time > now) {
    server.keyspace.replace(key, value, ttl === 0 ? undefined : time, node)
    server.keyspace.notify('restore', key)
  } else if (server.keyspace.find(key) !== undefined) {
    server.keyspace.delete(key)
    server.keyspace.notify('del', key)
  }
  reply.ok()
}

/** Moving keys between servers, in Redis's own format. */
export const dumpCommands: readonly Command[] = [
  {
    name: 'dump',
    summary: 'Returns the value of a key in a format that RESTORE takes, here and in Redis.',
    group: 'generic',
    since: '0.1.0',
    complexity: 'O(N) where N is the length of the value',
    arity: 2,
    flags: ['readonly'],
    broad: true,
    keys: [1, 1, 1],
    reach: 'node',
    args: [KEY],
    run(client, args) {
      const { reply, server } = client
      const { keyspace } = server
      const file = keyspace.find(args[1])
      const bytes = reply.muted || file === undefined ? 0 : file.value.length
      if (bytes > 0) {
        beginCopy(client, 'copiedForReplies', bytes, TIME_OF.compressedByte)
      }
      keyspace.noteRead(args[1], file !== undefined)
      if (!reply.muted) reply.looseBulkOrNull(file === undefined ? null : encodeString(file.value))
    },
  },
  {
    name: 'restore',
    summary: 'Creates a key from the output of DUMP, here or in Redis.',
    group: 'generic',
    since: '0.1.0',
    complexity: 'O(N) where N is the length of the value',
    arity: -4,
    flags: ['write', 'denyoom'],
    adds: ([, , , payload]) => decodedLength(payload, MAX_VALUE_BYTES),
    keys: [1, 1, 1],
    reach: 'node',
    keyFlags: [['OW', 'update']],
    categories: ['keyspace', 'dangerous'],
    args: [
      KEY,
      { name: 'ttl', type: 'integer' },
      { name: 'serialized-value', type: 'string', value: true },
      { name: 'replace', type: 'pure-token', token: 'REPLACE', optional: true },
      { name: 'absttl', type: 'pure-token', token: 'ABSTTL', optional: true },
      { name: 'seconds', type: 'integer', token: 'IDLETIME', optional: true },
      { name: 'frequency', type: 'integer', token: 'FREQ', optional: true },
    ],
    takesValues: true,
    growth: LARGE_VALUE_BYTES,
    run: restore,
  },
]
