import { freemem } from 'node:os'
import { forgetPeak, peakMemory, processorTime, residentMemory } from '../process-usage.ts'

/** What a request may take of the server's processor time and, on a busy machine, of time. */
const CPU_LIMIT_MS = 30_000
const TIME_LIMIT_MS = 60_000
/** A server that takes more memory is ended before the machine's is: that, or most of what is free. */
const MEMORY_LIMIT = 9 * 1024 ** 3
const FREE_PART = 0.7
const INTERVAL_MS = 50

/** Measures what a server uses, and ends what takes too long or too much. */
export class Watchdog {
  /** Too much time has passed. */
  late = false
  readonly #pid: number
  readonly #base: number
  readonly #cpuBefore: number
  readonly #memoryLimit = Math.min(MEMORY_LIMIT, freemem() * FREE_PART)
  readonly #cpuLimitMs: number
  readonly #giveUp: () => void
  readonly #interval: NodeJS.Timeout
  readonly #overdue: NodeJS.Timeout
  #peak: number
  #over = false

  /**
   * @param giveUp called when too much time has passed
   * @param cpuLimitMs what the server may take of its processor time
   */
  constructor(pid: number, giveUp: () => void, cpuLimitMs = CPU_LIMIT_MS) {
    this.#pid = pid
    this.#cpuLimitMs = cpuLimitMs
    this.#giveUp = giveUp
    this.#base = this.#peak = residentMemory(pid)
    forgetPeak(pid)
    this.#cpuBefore = processorTime(pid)
    this.#interval = setInterval(() => this.#look(), INTERVAL_MS)
    this.#overdue = setTimeout(() => this.#end(), TIME_LIMIT_MS)
  }

  /**
   * @returns processor time in milliseconds, the most memory beyond that at the start in bytes, and
   *   whether the server was ended because it took too much
   */
  stop(): { cpu: number; memory: number; over: boolean } {
    clearInterval(this.#interval)
    clearTimeout(this.#overdue)
    this.#notePeak()
    return { cpu: this.#cpu || 0, memory: this.#peak - this.#base, over: this.#over }
  }

  get #cpu(): number {
    return (processorTime(this.#pid) - this.#cpuBefore) * 1000
  }

  #notePeak(): void {
    // Of a process that has ended there is nothing to be read.
    this.#peak = Math.max(this.#peak, peakMemory(this.#pid) || 0)
  }

  #look(): void {
    this.#notePeak()
    if (this.#cpu > this.#cpuLimitMs) this.#end()
    if (this.#over || this.#peak - this.#base < this.#memoryLimit) return
    this.#over = true
    process.kill(this.#pid, 'SIGKILL')
  }

  #end(): void {
    this.late = true
    this.#giveUp()
  }
}
