import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Column, Row, Trial } from './trial.ts'

const RESULTS = 'bench/results.json'
const PAGE = 'bench/RESULTS.md'

/** The results of one trial, with its description. */
export interface Section {
  readonly name: string
  readonly title: string
  readonly text: readonly string[]
  readonly cases: readonly string[]
  readonly columns: readonly Column[]
  readonly compare: string
  readonly rows: readonly Row[]
  readonly leftOut: readonly string[]
  /** The day, command, rounds, versions and machine of the results. */
  readonly made: string
}

export const sectionOf = (
  { name, title, text, cases, columns, compare }: Trial,
  found: Pick<Section, 'rows' | 'leftOut' | 'made'>,
): Section => ({ name, title, text, cases, columns, compare, ...found })

/** A figure as text; a dash if there is none, because nothing was measured. */
function format(value: number | null | undefined, digits: number): string {
  // JSON has null instead of NaN.
  if (value === undefined || value === null || !Number.isFinite(value)) return '–'
  if (value >= 100_000 || digits === 0)
    return Math.round(value).toLocaleString('en').replaceAll(',', ' ')
  return value.toFixed(digits)
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [line(titles), line(titles.map(() => '---')), ...rows.map(line)]
}

const sameCase = (a: Row, b: Row): boolean => a.case.join('|') === b.case.join('|')

/** A server's figure divided by that of Redis in the same case. */
function ratio({ rows, compare }: Section, row: Row): string {
  const redis = rows.find((other) => other.server === 'Redis' && sameCase(other, row))
  return redis ? format(row.figures[compare] / redis.figures[compare], 2) : '–'
}

function sectionPage(section: Section): string[] {
  const { title, name, text, cases, columns, compare, rows, leftOut, made } = section
  const compared = columns.find((column) => column.figure === compare)?.title ?? compare
  const titles = [
    ...[...cases, 'server', 'command', `÷ Redis (${compared})`],
    ...columns.map((column) => column.title),
  ]
  const cells = rows.map((row) => [
    ...[...row.case, row.server, row.command, ratio(section, row)],
    ...columns.map(({ figure, digits }) => format(row.figures[figure], digits)),
  ])
  return [
    `## ${title} (\`${name}\`)`,
    '',
    ...text.flatMap((paragraph) => [paragraph, '']),
    ...(rows.length > 0 ? [...table(titles, cells), ''] : []),
    ...(leftOut.length > 0 ? [...leftOut.map((one) => `- Left out: ${one}`), ''] : []),
    made,
    '',
  ]
}

/** The servers side by side, in the trials of reads and writes of 16-byte values. */
function summary(sections: readonly Section[]): string[] {
  const cells: string[][] = []
  for (const section of sections) {
    if (section.cases.join() !== 'pipeline,value,levels') continue
    for (const ours of section.rows) {
      const [pipeline, value, levels] = ours.case
      if (ours.server !== 'ktree' || value !== '16 B' || levels !== '2') continue
      const of = (server: string): Row | undefined =>
        section.rows.find((row) => row.server === server && sameCase(row, ours))
      const [redis, etcd] = [of('Redis'), of('etcd')]
      cells.push([
        `${redis?.command ?? '–'} / ${ours.command}`,
        pipeline,
        ...[redis, ours, etcd].map((row) => format(row?.figures.rate, 0)),
        ratio(section, ours),
        ...[redis, ours, etcd].map((row) => format(row?.figures.p99, 2)),
        ...[redis, ours, etcd].map((row) => format(row?.figures.longest, 1)),
      ])
    }
  }
  if (cells.length === 0) return []
  const each = (what: string): string[] => ['Redis', 'ktree', 'etcd'].map((name) => name + what)
  const titles = [
    ...['Redis / ktree', 'pipeline', ...each(', per s'), 'ktree ÷ Redis'],
    ...[...each(' p99, ms'), ...each(' longest, ms')],
  ]
  return ['## Side by side: 16-byte values', '', ...table(titles, cells), '']
}

const HEAD = `# Benchmark results

How fast is ktree beside redis-server and etcd (\`--enable-v2\`)? \`make bench\` gives all three the same work and
writes this page. \`make bench ARGS="kget"\` replaces the results of one trial and keeps the others.

How to read it:

- A figure is the median of several rounds. Only *longest* and *peak memory* are the largest of all rounds. In
  a round each server has one turn: Redis, ktree, etcd.
- *÷ Redis* is the figure named beside it, divided by that of Redis in the same case.
- *longest* is the longest wait of any client for one reply: the longest pause.
- *server CPU* says how busy the server was: 100 is one core. Clients and servers share one machine. Where a
  server with one thread stays well below 100, something else was the limit: the load generator, the disk, or
  waiting for one another. The server's own limit is then no lower than the figure.
- *peak memory* is the largest resident size during the trial, with the keys of earlier cases.
- *pipeline N* is N requests in one write. etcd's server takes the requests of one connection one after the
  other, so it only saves round trips there.
- redis-benchmark drives Redis and ktree. It counts the wait for a pipeline from its write to its first reply.
  A generator on Node.js drives etcd, over kept-alive HTTP/1.1 connections, and counts to each answer.
- Only etcd writes to disk, except in the trials of durability and startup. etcd answers a write only when it
  is on disk, and so gets a tenth of the requests.
- The servers are fresh for each trial. Where requests are counted, all servers first run each case once
  without counting, because ktree's code is compiled as it runs and is slower in its first seconds.
- Each trial names the day, the machine and its load average before the start. Well above 0 means that other
  work went on, and then the figures are worth little. It also names how ktree was started; durability and
  startup choose a durability of their own.

## Tricks

What each trick in the code gained when it was made is in [HISTORY.md](HISTORY.md#tricks).
`

function page(sections: readonly Section[]): string {
  return `${[HEAD, ...summary(sections), ...sections.flatMap(sectionPage)].join('\n').trimEnd()}\n`
}

/** The results of some trials, as Markdown. */
export const preview = (sections: readonly Section[]): string =>
  [...summary(sections), ...sections.flatMap(sectionPage)].join('\n')

/** Whether results of an earlier run exist. */
export const haveResults = (): boolean => existsSync(RESULTS)

/**
 * Writes results to bench/results.json, where the results of other trials stay, and writes all of
 * them to bench/RESULTS.md.
 *
 * @param order the names of all trials; results of any other trial are dropped
 */
export function keep(sections: readonly Section[], order: readonly string[]): void {
  const known = new Map<string, Section>()
  if (haveResults()) {
    for (const section of JSON.parse(readFileSync(RESULTS, 'utf8')) as Section[]) {
      known.set(section.name, section)
    }
  }
  for (const section of sections) known.set(section.name, section)
  const all = order.flatMap((name) => known.get(name) ?? [])
  writeFileSync(RESULTS, `${JSON.stringify(all, null, 1)}\n`)
  writeFileSync(PAGE, page(all))
}
