// MEMORY

import { pathOfKey } from '../../keyspace/key.ts'
import { notAnInteger, syntaxError } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import type { Command, Flag } from '../../request/command.ts'
import { withHelp } from '../subcommand-help.ts'
import { censusOf } from './client-census.ts'
import { humanBytes } from './info-sections.ts'
import { nodeBytes } from './node-memory.ts'

const NO_FLAGS: readonly Flag[] = []
const DEFAULT_SAMPLES = 5

/**
 * Parses the options of MEMORY USAGE.
 *
 * @returns how many files to sample; Infinity for 0, which means all
 * @throws CommandError
 */
function parseSamples(args: readonly string[]): number {
  let samples = BigInt(DEFAULT_SAMPLES)
  for (let i = 3; i < args.length; i += 2) {
    if (tokenOf(args[i]) !== 'SAMPLES' || i + 1 === args.length) throw syntaxError()
    const value = readInteger64(args[i + 1])
    if (value === undefined) throw notAnInteger()
    if (value < 0n) throw syntaxError()
    samples = value
  }
  return samples === 0n ? Number.POSITIVE_INFINITY : Number(samples)
}

/** MEMORY STATS: Redis's fields. A field without a counterpart here is 0. */
function replyStats({ server, reply }: Client): void {
  const { memory, store, clients } = server
  const used = memory.measure()
  const rss = memory.resident()
  const { input, output } = censusOf(clients)
  const clientBytes = input + output
  const dataset = Math.max(0, used - memory.startup - clientBytes)
  const net = Math.max(1, used - memory.startup)
  const integers: readonly (readonly [string, number])[] = [
    ['peak.allocated', Math.max(memory.peak, used)],
    ['total.allocated', used],
    ['startup.allocated', memory.startup],
    ['replication.backlog', 0],
    ['clients.slaves', 0],
    ['clients.normal', clientBytes],
    ['cluster.links', 0],
    ['aof.buffer', 0],
    ['overhead.total', memory.startup + clientBytes],
    ['keys.count', store.files],
    ['keys.bytes-per-key', store.files === 0 ? 0 : Math.floor(net / store.files)],
    ['dataset.bytes', dataset],
    ['allocator.allocated', used],
    ['allocator.active', memory.heapTotal],
    ['allocator.resident', rss],
    ['fragmentation.bytes', rss - used],
  ]
  const doubles: readonly (readonly [string, number])[] = [
    ['dataset.percentage', (100 * dataset) / net],
    ['peak.percentage', (100 * used) / Math.max(memory.peak, used)],
    ['fragmentation', rss / used],
  ]
  reply.map(integers.length + doubles.length)
  for (const [name, value] of integers) {
    reply.bulk(name)
    reply.integer(value)
  }
  for (const [name, value] of doubles) {
    reply.bulk(name)
    reply.double(value)
  }
}

/** MEMORY DOCTOR. */
function report({ server }: Client): string {
  const { memory, config } = server
  const used = memory.measure()
  const limit = config.get('maxmemory')
  const lines = [`In use: ${humanBytes(used)}; at the start it was ${humanBytes(memory.startup)}.`]
  if (limit > 0) {
    const share = Math.round((100 * used) / limit)
    lines.push(`This is ${share}% of maxmemory; above it, writes are refused.`)
  } else {
    lines.push('There is no limit: maxmemory is 0.')
  }
  const { output: unread } = censusOf(server.clients)
  if (unread > used / 10) {
    lines.push(`Clients have not read ${humanBytes(unread)} of their replies: see CLIENT LIST.`)
  }
  if (memory.peak > 1.5 * used) {
    lines.push(`The peak was ${humanBytes(memory.peak)}: MEMORY PURGE may free some memory.`)
  }
  return `${lines.join('\n')}\n`
}

const subcommands: readonly Command[] = [
  {
    name: 'doctor',
    summary: 'Reports what memory is used for, and what may help.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of clients',
    arity: 2,
    flags: NO_FLAGS,
    broad: true,
    run(client) {
      client.reply.verbatim('txt', report(client))
    },
  },
  {
    name: 'malloc-stats',
    summary: 'Says that the allocator has no statistics; see INFO memory.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 2,
    flags: NO_FLAGS,
    run(client) {
      client.reply.bulk('Stats not supported for the current allocator')
    },
  },
  {
    name: 'purge',
    summary:
      'Collects garbage: in one go where the heap is small, while others are served where it is large. Does nothing if this command has taken much of the time of late.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of nodes',
    arity: 2,
    flags: NO_FLAGS,
    broad: true,
    run({ server, reply }) {
      server.memory.purge()
      reply.ok()
    },
  },
  {
    name: 'stats',
    summary: 'Returns how much memory is used for what.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of clients',
    arity: 2,
    flags: NO_FLAGS,
    broad: true,
    run: replyStats,
  },
  {
    name: 'usage',
    summary:
      'Estimates the bytes of a node and all below it, from some of its files or, with 0, from all.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of samples',
    arity: -3,
    flags: ['readonly'],
    broad: true,
    keys: [2, 2, 1],
    keyFlags: [['RO']],
    reach: 'directory',
    args: [
      { name: 'key', type: 'key' },
      { name: 'count', type: 'integer', token: 'SAMPLES', optional: true },
    ],
    run({ server, reply }, args) {
      const samples = parseSamples(args)
      const node = server.store.lookup(pathOfKey(args[2]))
      if (node === undefined) reply.null()
      else reply.integer(nodeBytes(node, samples))
    },
  },
]

/** The use of memory. */
export const memoryCommands: readonly Command[] = [
  {
    name: 'memory',
    summary: 'Shows what memory is used for.',
    group: 'server',
    since: '0.1.0',
    arity: -2,
    flags: [],
    subcommands: withHelp('memory', 'server', subcommands),
  },
]
