import type { LatencySample, LatencySeries } from '../../metrics/latency-monitor.ts'

const GRAPH_WIDTH = 80
const GRAPH_ROWS = 4
/** A cell below the top of a column. */
const FULL = '#'
/** The top cell of a column: a third full, two thirds, or full. */
const TOPS = ['_', 'o', '#']

/** Formats a duration for people: `5s`, `2h`. @param seconds an integer */
function age(seconds: number): string {
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}

/**
 * The reply to LATENCY GRAPH: one column for each sample; below it the sample's age, one character
 * a line.
 *
 * @param now Unix seconds
 */
export function latencyGraph(event: string, { samples, max }: LatencySeries, now: number): string {
  const latencies = samples.map(({ latency }) => latency)
  const high = Math.max(...latencies)
  const low = Math.min(...latencies)
  const lines = [`${event} - high ${high} ms, low ${low} ms (all time high ${max} ms)`]
  for (let from = 0; from < samples.length; from += GRAPH_WIDTH) {
    const part = samples.slice(from, from + GRAPH_WIDTH)
    lines.push('-'.repeat(GRAPH_WIDTH), ...columns(part, low, high, now))
  }
  return `${lines.join('\n')}\n`
}

function columns(
  samples: readonly LatencySample[],
  low: number,
  high: number,
  now: number,
): string[] {
  const steps = GRAPH_ROWS * TOPS.length - 1
  const heights = samples.map(({ latency }) =>
    high === low ? 0 : Math.round(((latency - low) / (high - low)) * steps),
  )
  const lines: string[] = []
  for (let row = GRAPH_ROWS - 1; row >= 0; row--) {
    const cells = heights.map((height) => {
      const top = Math.floor(height / TOPS.length)
      if (row > top) return ' '
      return row < top ? FULL : TOPS[height % TOPS.length]
    })
    lines.push(cells.join('').trimEnd())
  }
  const ages = samples.map(({ time }) => age(Math.max(0, now - time)))
  const longest = Math.max(...ages.map((text) => text.length))
  lines.push('')
  for (let i = 0; i < longest; i++) {
    lines.push(
      ages
        .map((text) => text[i] ?? ' ')
        .join('')
        .trimEnd(),
    )
  }
  return lines
}

const ADVICE: Readonly<Record<string, string>> = {
  command:
    'Commands were slow; SLOWLOG GET shows which. Listings of many nodes and large values take long, and block all clients.',
  'fast-command':
    'Commands were slow that should be fast: the machine is short of CPU or memory, or the heap is being collected.',
  'expire-cycle':
    'Many nodes expired at once. They are removed in slices, and clients are served between them.',
  checkpoint:
    'Checkpoints took long. Clients do not wait for them, but the journal grows meanwhile; a faster disk helps.',
}

/**
 * The reply to LATENCY DOCTOR: what took long, and what may help.
 *
 * @param threshold milliseconds; 0 means that latency is not monitored
 */
export function latencyDoctor(
  series: ReadonlyMap<string, LatencySeries>,
  threshold: number,
): string {
  if (threshold === 0) {
    return 'Latency is not being monitored. To start it: CONFIG SET latency-monitor-threshold <milliseconds>.\n'
  }
  if (series.size === 0) return `Nothing has taken ${threshold} ms or longer so far.\n`
  const parts = [...series].map(([event, { samples, max }], i) => {
    const sum = samples.reduce((total, { latency }) => total + latency, 0)
    const span = (samples.at(-1)?.time ?? 0) - (samples[0]?.time ?? 0)
    const often = samples.length === 1 ? 'once' : `${samples.length} times in ${age(span)}`
    const mean = Math.round(sum / samples.length)
    return `${i + 1}. ${event}: ${often}, ${mean} ms on average, ${max} ms at worst.\n   ${ADVICE[event] ?? ''}\n`
  })
  return `These took ${threshold} ms or longer:\n\n${parts.join('\n')}`
}
