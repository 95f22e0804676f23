import { connect, type Socket } from 'node:net'
import { sleep, within } from '../children.ts'
import { processorTime } from '../process-usage.ts'
import type { Heartbeat } from './heartbeat.ts'
import { ask, type Target } from './launch.ts'
import { ReplySkimmer } from './reply-skimmer.ts'
import { encode, type Request } from './request.ts'
import { Watchdog } from './watchdog.ts'

/** A request that asks for much, and what has to be there before it. */
export interface Case {
  /** The command whose limits it tries: `mset`, `client kill`. */
  readonly command: string
  readonly what: string
  /** Redis has no such thing. */
  readonly ours?: boolean
  /** What is sent before, and does not count. */
  prepare?(): Iterable<Request>
  /** The first requests of other clients, one each, which read whatever comes. */
  onlookers?(): readonly Request[]
  requests(): Iterable<Request>
  /** What each of its clients sends first, which does not count. */
  readonly prelude?: readonly Request[]
  /** So many clients send the requests, each all of them, which arrive while the server is stopped. */
  readonly crowd?: number
  /** When the server may read the requests, in Unix milliseconds; it is stopped until then. */
  readonly moment?: number
  /** How much of the server's processor time it may take, if not the usual limit. */
  readonly cpuLimitMs?: number
}

/** What came of it. */
export interface Outcome {
  /** The longest that another client waited for a PONG, in milliseconds. */
  readonly wait: number
  /** The same, but no more than the server worked meanwhile: on a busy machine it waits, too. */
  readonly held: number
  /** From the first byte to the end of the last reply, in milliseconds. */
  readonly time: number
  /** Processor time of the server meanwhile, of all its threads, in milliseconds. */
  readonly cpu: number
  /** The most resident memory beyond that before, in bytes. */
  readonly memory: number
  readonly sent: number
  readonly received: number
  readonly answer: string
  /** Does not answer by an error alone. */
  readonly served: boolean
  /** What must not be, whatever Redis does. */
  readonly fault?: string
}

/** After the last reply: what is cleared away may cost as much as the request. */
const SETTLE_MS = 100
/** What is sent to a server that is stopped has reached it after this time. */
const ARRIVAL_MS = 30
const PREPARATION_MS = 60_000
const SERVES_WITHIN_MS = 5000
/** A server is quiet when it takes less processor time than this of an interval. */
const QUIET_MS = 10
const QUIET_INTERVAL_MS = 300
const QUIET_WITHIN_MS = 30_000
const END_MARK = 'the end of what is measured'

/** A client that sends all, reads all, and keeps nothing. */
export class Attacker {
  skimmer = this.#newSkimmer()
  closed = false
  #socket: Socket
  #finish = (): void => {}

  constructor(port: number) {
    const buffer = Buffer.allocUnsafe(1024 ** 2)
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer,
        callback: (length) => {
          this.skimmer.feed(buffer.subarray(0, length))
          return true
        },
      },
    })
    this.#socket.on('error', () => {})
    this.#socket.once('close', () => {
      this.closed = true
      this.#finish()
    })
  }

  /** Forgets the replies so far. */
  forget(): void {
    this.skimmer = this.#newSkimmer()
  }

  /** Stops reading. */
  mute(): void {
    this.#socket.pause()
  }

  #newSkimmer(): ReplySkimmer {
    return new ReplySkimmer((bulk) => {
      if (bulk === END_MARK) this.#finish()
    })
  }

  async send(pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) {
      if (this.closed) return
      if (this.#socket.write(piece)) continue
      await new Promise<void>((resolve) => {
        const goOn = (): void => {
          this.#socket.off('drain', goOn).off('close', goOn)
          resolve()
        }
        this.#socket.once('drain', goOn).once('close', goOn)
      })
    }
  }

  /** Resolves when the reply to the last request has come, or the connection has ended. */
  async sendAll(pieces: readonly Buffer[]): Promise<void> {
    if (this.closed) return
    const done = new Promise<void>((resolve) => {
      this.#finish = resolve
    })
    await this.send([...pieces, ...encode([['PING', END_MARK]])])
    await done
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** @param mayFail what is done before may have errors for its replies */
export async function prepare(
  port: number,
  requests: Iterable<Request>,
  mayFail = false,
): Promise<void> {
  const client = new Attacker(port)
  await within(PREPARATION_MS, 'what is done before', client.sendAll(encode(requests)))
  const { closed } = client
  client.close()
  const { firstError } = client.skimmer
  if (closed || (firstError && !mayFail)) {
    throw new Error(`could not be prepared: ${firstError || 'cut off'}`)
  }
}

async function onlooker(port: number, request: Request): Promise<Attacker> {
  const client = new Attacker(port)
  await within(PREPARATION_MS, 'another client', client.sendAll(encode([request])))
  return client
}

const number = (n: number): string => n.toLocaleString('en').replaceAll(',', ' ')

function describe(
  { replies, errors, firstError, inReply }: ReplySkimmer,
  closed: boolean,
  late: boolean,
): string {
  // The last one is that to the mark.
  const answers = closed || late ? replies : replies - 1
  const parts: string[] = []
  if (errors > 0) {
    // What a client sent may stand in it, and any byte with it.
    const shown = firstError.replaceAll(/[^ -~]|\|/g, '.').slice(0, 70)
    parts.push(errors > 1 ? `${number(errors)} errors: ${shown}` : shown)
  } else if (!closed) {
    parts.push(answers === 1 ? 'a reply' : `${number(answers)} replies`)
  }
  if (closed) parts.push(inReply ? 'cut off within a reply' : 'cut off')
  return parts.join('; ')
}

function faultOf(target: Target, attacker: Attacker): string | undefined {
  const code = target.ended()
  if (code !== undefined) {
    const { out, err } = target.child.output
    const lines = `${out}${err}`.match(/(?:FATAL ERROR|"msg"|RangeError|Error:)[^\n]*/g)
    const shown = (lines?.at(-1) ?? 'without a word').replaceAll('|', '/').slice(0, 90)
    return `it died (${code === null ? 'signal' : `exit ${code}`}) ${shown}`.trim()
  }
  if (/internal error|Invalid string/.test(attacker.skimmer.firstError)) return 'internal error'
  return undefined
}

/** Waits until what was done before is also on disk, because it would count for the request. */
export async function quiet(pid: number): Promise<void> {
  const start = performance.now()
  for (let before = processorTime(pid); performance.now() - start < QUIET_WITHIN_MS; ) {
    await sleep(QUIET_INTERVAL_MS)
    const now = processorTime(pid)
    if ((now - before) * 1000 < QUIET_MS) return
    before = now
  }
}

/** Puts a server under one request. */
export async function attack(target: Target, one: Case, heart: Heartbeat): Promise<Outcome> {
  const { port, child } = target
  const { pid } = child
  if (one.prepare) {
    await prepare(port, one.prepare())
    // Writes go to disk within a second.
    await sleep(1000)
    await quiet(pid)
  }
  const onlookers: Attacker[] = []
  for (const request of one.onlookers?.() ?? []) onlookers.push(await onlooker(port, request))
  const pieces = encode(one.requests())
  const sent = pieces.reduce((sum, piece) => sum + piece.length, 0) * (one.crowd ?? 1)
  await heart.start(port, pid)
  const crowd = Array.from({ length: one.crowd ?? 1 }, () => new Attacker(port))
  const [attacker] = crowd
  const closeAll = (): void => {
    for (const client of crowd) client.close()
  }
  if (one.prelude || one.crowd) {
    await Promise.all(crowd.map((client) => client.sendAll(encode(one.prelude ?? []))))
    for (const client of crowd) client.forget()
  }
  await sleep(20)
  const watchdog = new Watchdog(pid, closeAll, one.cpuLimitMs)
  heart.begin()
  const stopped = one.crowd !== undefined || one.moment !== undefined
  if (stopped) process.kill(pid, 'SIGSTOP')
  const started = performance.now()
  const sending = Promise.all(crowd.map((client) => client.sendAll(pieces)))
  if (stopped) {
    await sleep(Math.max(ARRIVAL_MS, (one.moment ?? 0) - Date.now()))
    process.kill(pid, 'SIGCONT')
  }
  await sending
  const time = performance.now() - started
  const { late } = watchdog
  const closed = attacker.closed && !late
  closeAll()
  if (!late) await sleep(SETTLE_MS)
  const { wait, held } = await heart.stop()
  const { cpu, memory, over } = watchdog.stop()
  let fault = over ? 'it took all memory' : faultOf(target, attacker)
  if (late && !over) fault = `no whole reply after ${Math.round(time / 1000)} s`
  else if (!over && (await ask(port, SERVES_WITHIN_MS)) === undefined) {
    fault ??= faultOf(target, attacker) ?? 'it serves nobody any more'
  }
  for (const client of onlookers) client.close()
  const { skimmer } = attacker
  return {
    wait,
    held: Math.min(wait, held),
    time,
    cpu,
    memory,
    sent,
    received: crowd.reduce((sum, client) => sum + client.skimmer.bytes, 0),
    answer: describe(skimmer, closed, late),
    served: !closed && skimmer.errors < skimmer.replies - 1,
    ...(fault !== undefined && { fault }),
  }
}
