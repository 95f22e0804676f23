// LATENCY

import type { CommandStats } from '../../metrics/counters.ts'
import { bucketEnd } from '../../metrics/latency-histogram.ts'
import { CommandError } from '../../request/arguments/errors.ts'
import { MAX_NAME_BYTES } from '../../request/arguments/pattern.ts'
import { textOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import type { Command, Flag } from '../../request/command.ts'
import { writeList } from '../../resp/reply-list.ts'
import type { ReplyWriter } from '../../resp/reply-writer.ts'
import { withHelp } from '../subcommand-help.ts'
import { latencyDoctor, latencyGraph } from './latency-report.ts'

const FLAGS: readonly Flag[] = ['admin', 'noscript', 'loading', 'stale']
const EVENT = { name: 'event', type: 'string' } as const

/** LATENCY LATEST. */
function replyLatest({ server, reply }: Client): void {
  const { series } = server.latency
  reply.array(series.size)
  for (const [event, { samples, max }] of series) {
    const last = samples[samples.length - 1]
    reply.array(4)
    reply.bulk(event)
    reply.integer(last.time)
    reply.integer(last.latency)
    reply.integer(max)
  }
}

/** For each bucket with calls: its end, and how many calls took no longer than that. */
function replyHistogram(reply: ReplyWriter, [name, { calls, steps }]: Histogram): void {
  reply.bulk(name)
  reply.map(2)
  reply.bulk('calls')
  reply.integer(calls)
  reply.bulk('histogram_usec')
  reply.map(steps.length)
  for (const [end, total] of steps) {
    reply.integer(end)
    reply.integer(total)
  }
}

type Histogram = readonly [
  name: string,
  { readonly calls: number; readonly steps: readonly (readonly [end: number, count: number])[] },
]

/** A command's histogram as it is now: the reply may be made while further calls are counted. */
function histogramOf(name: string, { calls, histogram }: CommandStats): Histogram {
  const steps: [end: number, count: number][] = []
  let count = 0
  for (const [bucket, more] of histogram.entries()) {
    count += more
    if (more > 0) steps.push([bucketEnd(bucket), count])
  }
  return [name, { calls, steps }]
}

/**
 * LATENCY HISTOGRAM.
 *
 * @param names in any case; none means all commands, and a container means all of its subcommands
 */
function replyHistograms({ server, reply }: Client, names: readonly string[]): void {
  const { commandStats } = server
  const byName = new Map<string, readonly Histogram[]>()
  const histogramsOf = (name: string): readonly Histogram[] => {
    // V8 finds longer names slowly in a map, and no command has one.
    if (name.length > MAX_NAME_BYTES) return []
    const known = byName.get(name)
    if (known !== undefined) return known
    const histograms = usedAmong(commandStats, namesBelow(commandStats, name))
    byName.set(name, histograms)
    return histograms
  }
  const found =
    names.length === 0
      ? [usedAmong(commandStats, commandStats.keys())]
      : names.map((name) => histogramsOf(name.toLowerCase()))
  reply.map(found.reduce((count, { length }) => count + length, 0))
  writeList(reply, found, (piece, histograms) => {
    for (const each of histograms) replyHistogram(piece, each)
  })
}

/** The histograms of commands that have been called. */
function usedAmong(
  stats: ReadonlyMap<string, CommandStats>,
  names: Iterable<string>,
): readonly Histogram[] {
  const histograms: Histogram[] = []
  for (const name of names) {
    const each = stats.get(name)
    if (each !== undefined && each.calls > 0) histograms.push(histogramOf(name, each))
  }
  return histograms
}

/** Of a server's commands, which only come and never go: their names by the container, itself included. */
interface Containers {
  readonly size: number
  readonly names: ReadonlyMap<string, readonly string[]>
}

const containersOf = new WeakMap<ReadonlyMap<string, CommandStats>, Containers>()

/** The names that a name stands for: a container is all of its subcommands, too. */
function namesBelow(stats: ReadonlyMap<string, CommandStats>, name: string): readonly string[] {
  if (name.includes('|')) return [name]
  let containers = containersOf.get(stats)
  if (containers?.size !== stats.size) {
    const names = new Map<string, string[]>()
    for (const each of stats.keys()) {
      const [container] = each.split('|', 1)
      const known = names.get(container)
      if (known === undefined) names.set(container, [each])
      else known.push(each)
    }
    containers = { size: stats.size, names }
    containersOf.set(stats, containers)
  }
  return containers.names.get(name) ?? []
}

const subcommands: readonly Command[] = [
  {
    name: 'latest',
    summary:
      'Returns the latest latency sample of each event: Unix time, milliseconds, and the maximum ever.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 2,
    flags: FLAGS,
    broad: true,
    run: replyLatest,
  },
  {
    name: 'history',
    summary: 'Returns the latency samples of an event: Unix time and milliseconds.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 3,
    flags: FLAGS,
    broad: true,
    args: [EVENT],
    run({ server, reply }, args) {
      const samples = server.latency.series.get(args[2])?.samples ?? []
      reply.array(samples.length)
      for (const { time, latency } of samples) {
        reply.array(2)
        reply.integer(time)
        reply.integer(latency)
      }
    },
  },
  {
    name: 'reset',
    summary: 'Discards the latency samples of some events, or of all.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: -2,
    flags: FLAGS,
    args: [{ ...EVENT, optional: true, multiple: true }],
    run({ server, reply }, args) {
      const events = args.length > 2 ? args.slice(2) : [...server.latency.series.keys()]
      reply.integer(events.filter((event) => server.latency.forget(event)).length)
    },
  },
  {
    name: 'graph',
    summary: 'Draws the latency samples of an event.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 3,
    flags: FLAGS,
    broad: true,
    args: [EVENT],
    run({ server, reply }, args) {
      const series = server.latency.series.get(args[2])
      if (series === undefined) {
        throw new CommandError(`ERR No samples available for event '${textOf(args[2])}'`)
      }
      const now = Math.floor(server.clock.now() / 1000)
      reply.verbatim('txt', latencyGraph(args[2], series, now))
    },
  },
  {
    name: 'doctor',
    summary: 'Reports what took long, and what may help.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 2,
    flags: FLAGS,
    broad: true,
    run({ server, reply }) {
      const threshold = server.config.get('latency-monitor-threshold')
      reply.verbatim('txt', latencyDoctor(server.latency.series, threshold))
    },
  },
  {
    name: 'histogram',
    summary: 'Returns a histogram of the time that calls of each command took, in microseconds.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of commands',
    arity: -2,
    flags: FLAGS,
    broad: true,
    args: [{ name: 'command', type: 'string', optional: true, multiple: true }],
    run(client, args) {
      replyHistograms(client, args.slice(2))
    },
  },
]

/** Slow events and commands. */
export const latencyCommands: readonly Command[] = [
  {
    name: 'latency',
    summary: 'Shows what has delayed clients.',
    group: 'server',
    since: '0.1.0',
    arity: -2,
    flags: [],
    subcommands: withHelp('latency', 'server', subcommands),
  },
]
