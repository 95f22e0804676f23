import { median } from './latencies.ts'
import type { Ktree, Peer, PeerName, Server } from './peers.ts'
import { forgetPeak, peakMemory, processorTime } from './process-usage.ts'

/** What one measurement found, by name. */
export type Figures = Readonly<Record<string, number>>

/** A column of figures. */
export interface Column {
  readonly figure: string
  readonly title: string
  /** Behind the decimal point. */
  readonly digits: number
  /** Over the rounds: the median, or the largest. */
  readonly over?: 'largest'
}

/** One line of a table: one server in one case. */
export interface Row {
  /** Under the trial's `cases`, in their order. */
  readonly case: readonly string[]
  readonly server: PeerName
  readonly command: string
  readonly figures: Figures
}

/** What a run was told. */
export interface Run {
  readonly peers: readonly Peer[]
  readonly ktree: Ktree
  readonly rounds: number
  /** At pipeline 1; more with more, fewer where one is more work. */
  readonly requests: number
  /** Of those of a trial only these. */
  readonly pipelines: readonly number[] | undefined
  /** As little as shows that all of it works. */
  readonly quick: boolean
  progress(text: string): void
}

/** What a trial found. */
export interface Findings {
  readonly rows: readonly Row[]
  /** Servers and cases that were left out, and why. */
  readonly leftOut: readonly string[]
}

/** One of the things that are measured. */
export interface Trial {
  readonly name: string
  readonly title: string
  /** How it is measured; a paragraph each. */
  readonly text: readonly string[]
  /** Titles of the columns that tell the cases apart. */
  readonly cases: readonly string[]
  readonly columns: readonly Column[]
  /** The figure that is compared with that of Redis. */
  readonly compare: string
  /** Each case is first run once that does not count, so that what is compiled as it runs is. */
  readonly warmUp?: boolean
  run(run: Run): Promise<Findings>
}

/** What a load generator finds. */
export const LOAD_COLUMNS: readonly Column[] = [
  { figure: 'rate', title: 'per s', digits: 0 },
  { figure: 'p50', title: 'p50, ms', digits: 2 },
  { figure: 'p99', title: 'p99, ms', digits: 2 },
  { figure: 'p999', title: 'p99.9, ms', digits: 2 },
  { figure: 'longest', title: 'longest, ms', digits: 1, over: 'largest' },
]

const PEAK: Column = { figure: 'peak', title: 'peak memory, MB', digits: 0, over: 'largest' }

/** What every measurement adds. */
export const USAGE_COLUMNS: readonly Column[] = [
  { figure: 'cpu', title: 'server CPU, %', digits: 0 },
  PEAK,
]

/** The same for a trial in which the server has to wait most of the time. */
export const PEAK_COLUMNS: readonly Column[] = [PEAK]

/** A server's turn in a case. */
export interface Turn {
  readonly server: PeerName
  readonly command: string
  measure(): Promise<Figures>
}

/** Measures, and adds how busy the server was, in per cent of a core, and its memory, in MB. */
async function observe(server: Server, measure: () => Promise<Figures>): Promise<Figures> {
  forgetPeak(server.pid)
  const before = processorTime(server.pid)
  const started = performance.now()
  const figures = await measure()
  // The load itself, if that is known: a generator takes a moment to start.
  const seconds = figures.seconds ?? (performance.now() - started) / 1000
  const cpu = ((processorTime(server.pid) - before) / seconds) * 100
  return { cpu, peak: peakMemory(server.pid) / 1024 ** 2, ...figures }
}

/** A turn of a running server. */
export const turn = (server: Server, command: string, measure: () => Promise<Figures>): Turn => ({
  server: server.name,
  command,
  measure: () => observe(server, measure),
})

/** A turn for which a server is started each time. */
export const freshTurn = (
  peer: Peer,
  command: string,
  measure: (server: Server) => Promise<Figures>,
): Turn => ({
  server: peer.name,
  command,
  measure: () =>
    withServers([() => peer.start()], ([server]) => observe(server, () => measure(server))),
})

/** The reason that an error gives, on one line. */
export const reason = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ').slice(0, 200)

/** All rounds of a server as one. */
function combine(columns: readonly Column[], rounds: readonly Figures[]): Figures {
  const figures: Record<string, number> = {}
  for (const { figure, over } of columns) {
    const values = rounds.map((round) => round[figure])
    figures[figure] = over === 'largest' ? Math.max(...values) : median(values)
  }
  return figures
}

/** Collects what a trial finds, case by case. */
export class Collector implements Findings {
  readonly rows: Row[] = []
  readonly leftOut: string[] = []
  readonly #run: Run
  readonly #columns: readonly Column[]
  readonly #name: string
  readonly #firstRound: number

  constructor(run: Run, { name, columns, warmUp }: Pick<Trial, 'name' | 'columns' | 'warmUp'>) {
    this.#run = run
    this.#firstRound = warmUp === true && !run.quick ? 0 : 1
    this.#columns = columns
    this.#name = name
  }

  /**
   * Measures one case: a turn each, then the next round. A server that fails is left out of it.
   *
   * @param rounds if not the run's
   */
  async measure(
    names: readonly string[],
    turns: readonly Turn[],
    rounds = this.#run.rounds,
  ): Promise<void> {
    const found = new Map<Turn, Figures[]>(turns.map((one) => [one, []]))
    for (let round = this.#firstRound; round <= rounds; round++) {
      for (const [one, figures] of found) {
        const what = [this.#name, ...names, one.server, one.command].join(' ')
        this.#run.progress(`${what}, round ${round}`)
        try {
          const measured = await one.measure()
          if (round > 0) figures.push(measured)
        } catch (error) {
          found.delete(one)
          this.leaveOut([one.server, ...names].join(' '), error)
        }
      }
    }
    for (const [{ server, command }, figures] of found) {
      const combined = combine(this.#columns, figures)
      this.rows.push({ case: names, server, command, figures: combined })
    }
  }

  leaveOut(what: string, why: unknown): void {
    const line = `${what}: ${reason(why)}`
    if (!this.leftOut.includes(line)) this.leftOut.push(line)
  }
}

/** Starts servers, has something done, and stops them whatever comes of it. */
export async function withServers<T>(
  starts: readonly (() => Promise<Server>)[],
  work: (servers: Server[]) => Promise<T>,
): Promise<T> {
  const servers: Server[] = []
  try {
    for (const start of starts) servers.push(await start())
    return await work(servers)
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}
