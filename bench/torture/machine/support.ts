import { sleep, within } from '../../children.ts'
import { open } from '../../load-client.ts'
import { RespConnection } from '../../resp-connection.ts'
import { ask, type Launch, launch, type Target } from '../launch.ts'

/** What a trial has measured, and what of it must not be. */
export class Finding {
  readonly #measured: string[] = []
  readonly #faults: string[] = []

  /** Notes a measurement; what is not right is marked with it. */
  note(what: string, right = true): void {
    this.#measured.push(what)
    if (!right) this.#faults.push(what)
  }

  get measured(): string {
    return this.#measured.join('; ')
  }

  get faults(): readonly string[] {
    return this.#faults
  }
}

/** One thing that a machine may do to a server. */
export interface MachineTrial {
  /** What `--only` takes. */
  readonly name: string
  readonly what: string
  run(finding: Finding): Promise<void>
}

/** Longer than anything here may take to answer. */
export const PATIENCE_MS = 10_000
const ms = (time: number): string => `${Math.round(time)} ms`

/** Notes how long a new client waits for its PONG. */
export async function notePing(finding: Finding, port: number, when: string): Promise<boolean> {
  const started = performance.now()
  const answer = await ask(port, PATIENCE_MS)
  const time = performance.now() - started
  if (answer === undefined) finding.note(`no PONG ${when}`, false)
  else finding.note(`PONG ${when} after ${ms(time)}`, time < 1000)
  return answer !== undefined
}

/** Resolves to whether a server has ended in time. */
export const endsWithin = (limit: number, target: Target): Promise<boolean> =>
  within(limit, 'the end', target.child.exited).then(
    () => true,
    () => false,
  )

/** Sends a signal and notes how the server ends. */
export async function noteEnd(
  finding: Finding,
  target: Target,
  signal: NodeJS.Signals = 'SIGTERM',
  pid = target.child.pid,
): Promise<void> {
  const started = performance.now()
  process.kill(pid, signal)
  if (await endsWithin(PATIENCE_MS, target)) {
    const code = target.ended()
    const how = code === null ? 'killed by it' : `exit ${code}`
    finding.note(`${signal}: ${how} after ${ms(performance.now() - started)}`, code === 0)
  } else {
    finding.note(`${signal}: still there after ${PATIENCE_MS / 1000} s`, false)
  }
}

/** Sends what a browser sends: it is disconnected, and the log says so. */
export async function visitByHttp(port: number): Promise<void> {
  const socket = await open(port)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.resume()
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await Promise.race([closed, sleep(1000)])
  socket.destroy()
}

/** Has something done with a server, which is ended whatever comes of it. */
export async function withTarget(
  options: Launch,
  work: (target: Target) => Promise<void>,
): Promise<void> {
  const target = await launch(options)
  try {
    await work(target)
  } finally {
    await target.stop()
  }
}

/** The same with a client. */
export function withClient(
  options: Launch,
  work: (client: RespConnection, target: Target) => Promise<void>,
): Promise<void> {
  return withTarget(options, async (target) => {
    const client = await RespConnection.open(target.port)
    try {
      await work(client, target)
    } finally {
      client.close()
    }
  })
}

/** A reply as people read it. */
export const text = (reply: unknown): string =>
  reply instanceof Error ? reply.message : String(reply)
