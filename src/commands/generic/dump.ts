// DUMP · RESTORE

import { pathOfKey } from '../../keyspace/key.ts'
import { decodeString, encodeString, PayloadError } from '../../rdb/string-payload.ts'
import { KEY } from '../../request/arguments/argument.ts'
import { CommandError, notAnInteger, syntaxError } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'

const MAX_FREQUENCY = 255n

interface RestoreOptions {
  replace: boolean
  absolute: boolean
}

/** @throws CommandError unless it is an integer, of 64 bits */
function integerOf(text: string): bigint {
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  return value
}

/** As Redis reads them; IDLETIME and FREQ, which exclude each other, are checked and have no effect. */
function parseRestoreOptions(args: readonly string[]): RestoreOptions {
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
    const value = integerOf(args[++i])
    if (option === 'IDLETIME' && value < 0n) {
      throw new CommandError('ERR Invalid IDLETIME value, must be >= 0')
    }
    if (option === 'FREQ' && (value < 0n || value > MAX_FREQUENCY)) {
      throw new CommandError('ERR Invalid FREQ value, must be >= 0 and <= 255')
    }
  }
  return options
}

/** @returns milliseconds, or the Unix milliseconds; 0 for never */
function parseTtl(text: string): number {
  const ttl = integerOf(text)
  if (ttl < 0n) throw new CommandError('ERR Invalid TTL value, must be >= 0')
  return Number(ttl)
}

function decode(client: Client, payload: string): string {
  try {
    return decodeString(payload, client.server.config.get('proto-max-bulk-len'))
  } catch (error) {
    if (error instanceof PayloadError) throw new CommandError(`ERR ${error.message}`)
    throw error
  }
}

function restore(client: Client, args: readonly string[]): void {
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
    client.server.keyspace.replace(key, value, ttl === 0 ? undefined : time, node)
    server.keyspace.notify('restore', key)
  } else if (client.server.keyspace.find(key) !== undefined) {
    client.server.keyspace.delete(key)
    server.keyspace.notify('del', key)
  }
  reply.ok()
}

/** Keys on their way from one server to another, in Redis's own format. */
export const dumpCommands: readonly Command[] = [
  {
    name: 'dump',
    summary: 'Returns the value of a key in the format that RESTORE takes, here and in Redis.',
    group: 'generic',
    since: '0.1.0',
    complexity: 'O(N) where N is the length of the value',
    arity: 2,
    flags: ['readonly'],
    keys: [1, 1, 1],
    args: [KEY],
    run(client, args) {
      const file = client.server.keyspace.find(args[1])
      client.server.keyspace.noteRead(args[1], file !== undefined)
      client.reply.bulkOrNull(file === undefined ? null : encodeString(file.value))
    },
  },
  {
    name: 'restore',
    summary: 'Makes a key of what DUMP has returned, here or in Redis.',
    group: 'generic',
    since: '0.1.0',
    complexity: 'O(N) where N is the length of the value',
    arity: -4,
    flags: ['write', 'denyoom'],
    keys: [1, 1, 1],
    keyFlags: [['OW', 'update']],
    categories: ['keyspace', 'dangerous'],
    args: [
      KEY,
      { name: 'ttl', type: 'integer' },
      { name: 'serialized-value', type: 'string' },
      { name: 'replace', type: 'pure-token', token: 'REPLACE', optional: true },
      { name: 'absttl', type: 'pure-token', token: 'ABSTTL', optional: true },
      { name: 'seconds', type: 'integer', token: 'IDLETIME', optional: true },
      { name: 'frequency', type: 'integer', token: 'FREQ', optional: true },
    ],
    run: restore,
  },
]
