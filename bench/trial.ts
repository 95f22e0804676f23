import { median } from './latencies.ts'
import type { Ktree, Peer, PeerName, Server } from './peers.ts'
import { forgetPeak, peakMemory, processorTime } from './process-usage.ts'

/** The figures of one measurement, by name. */
export type Figures = Readonly<Record<string, number>>

/** A column of figures. */
export interface Column {
  readonly figure: string
  readonly title: string
  /** Digits after the decimal point. */
  readonly digits: number
  /** The table shows the largest figure of all rounds instead of the median. */
  readonly over?: 'largest'
}

/** One line of a table: one server in one case. */
export interface Row {
  /** The cells under the trial's `cases`. */
  readonly case: readonly string[]
  readonly server: PeerName
  readonly command: string
  readonly figures: Figures
}

/** The options of a run. */
export interface Run {
  readonly peers: readonly Peer[]
  readonly ktree: Ktree
  readonly rounds: number
  /** Requests at pipeline 1; longer pipelines get more, and expensive requests are fewer. */
  readonly requests: number
  /** The pipelines to measure; undefined for those of each trial. */
  readonly pipelines: readonly number[] | undefined
  /** A short run, to see that everything works. */
  readonly quick: boolean
  progress(text: string): void
}

/** The results of a trial. */
export interface Findings {
  readonly rows: readonly Row[]
  /** The servers and cases that were left out, with the reason. */
  readonly leftOut: readonly string[]
}

/** One benchmark: its description, and the function that runs it. */
export interface Trial {
  readonly name: string
  readonly title: string
  /** The paragraphs that say how it is measured. */
  readonly text: readonly string[]
  /** Titles of the columns that tell the cases apart. */
  readonly cases: readonly string[]
  readonly columns: readonly Column[]
  /** The figure that is compared with that of Redis. */
  readonly compare: string
  /** Each case has a first round that does not count, because V8 compiles code as it runs. */
  readonly warmUp?: boolean
  run(run: Run): Promise<Findings>
}

/** The columns of a load generator. */
export const LOAD_COLUMNS: readonly Column[] = [
  { figure: 'rate', title: 'per s', digits: 0 },
  { figure: 'p50', title: 'p50, ms', digits: 2 },
  { figure: 'p99', title: 'p99, ms', digits: 2 },
  { figure: 'p999', title: 'p99.9, ms', digits: 2 },
  { figure: 'longest', title: 'longest, ms', digits: 1, over: 'largest' },
]

const PEAK: Column = { figure: 'peak', title: 'peak memory, MB', digits: 0, over: 'largest' }

/** The columns that every measurement adds. */
export const USAGE_COLUMNS: readonly Column[] = [
  { figure: 'cpu', title: 'server CPU, %', digits: 0 },
  PEAK,
]

/** Those for a trial in which the server waits most of the time. */
export const PEAK_COLUMNS: readonly Column[] = [PEAK]

/** A server's turn in one round of a case. */
export interface Turn {
  readonly server: PeerName
  readonly command: string
  measure(): Promise<Figures>
}

/** Measures, and adds the server's processor time, in per cent of a core, and its memory, in MB. */
async function observe(server: Server, measure: () => Promise<Figures>): Promise<Figures> {
  forgetPeak(server.pid)
  const before = processorTime(server.pid)
  const started = performance.now()
  const figures = await measure()
  // The duration of the load is better, if it is known, because a load generator takes time to start.
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

/** A turn that starts a server each time. */
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

/** The message of an error, on one line. */
export const reason = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ').slice(0, 200)

/** The figures of all rounds of a server, as one. */
function combine(columns: readonly Column[], rounds: readonly Figures[]): Figures {
  const figures: Record<string, number> = {}
  for (const { figure, over } of columns) {
    const values = rounds.map((round) => round[figure])
    figures[figure] = over === 'largest' ? Math.max(...values) : median(values)
  }
  return figures
}

/** Collects the results of a trial, case by case. */
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
   * Measures one case. In each round every server has one turn; a server that fails is left out.
   *
   * @param names the cells under the trial's `cases`
   * @param rounds number of rounds, by default that of the run
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

  /** Notes that a server or a case was left out. */
  leaveOut(what: string, why: unknown): void {
    const line = `${what}: ${reason(why)}`
    if (!this.leftOut.includes(line)) this.leftOut.push(line)
  }
}

/** Starts servers, works with them, and stops them even if the work fails. */
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
