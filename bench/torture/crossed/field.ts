import { sleep, within } from '../../children.ts'
import { open } from '../../load-client.ts'
import { Attacker, attack, type Case, type Outcome, prepare, quiet } from '../attack.ts'
import type { Heartbeat } from '../heartbeat.ts'
import { failed } from '../hostile.ts'
import { ktreeCommand, launch, redisCommand, type Target } from '../launch.ts'
import { encode, type Request } from '../request.ts'
import type { Kind, State } from './state.ts'

const MB = 1024 ** 2
const COMPANY_MS = 30_000
/** So many clients connect at a time. */
const AT_ONCE = 100
const SETTLED_MS = 300
/** What a request may add to the memory of a server that is used again. */
const MILD_BYTES = 60 * MB
/** What it may add to or take from its keys. */
const MILD_PART = 0.05

/** Has code compiled that all requests need, so that it does not count for one. */
function* warmUp(): Generator<Request> {
  for (let i = 0; i < 3; i++) {
    yield ['MULTI']
    for (let j = 0; j < 2000; j++) yield ['EXISTS', 'warm']
    yield ['EXEC']
  }
}

/** @returns the number of keys; undefined if the server does not answer */
async function keysOf(port: number): Promise<number | undefined> {
  const socket = await open(port)
  try {
    return await within(
      5000,
      'DBSIZE',
      new Promise((resolve) => {
        socket.once('data', (chunk) => resolve(Number(chunk.toString('latin1').slice(1))))
        socket.once('close', () => resolve(undefined))
        socket.write('DBSIZE\r\n')
      }),
    )
  } finally {
    socket.destroy()
  }
}

/** A server in a state, which is prepared again when a request has left a mark on it. */
export class Field {
  readonly #kind: Kind
  readonly #state: State
  readonly #scale: number
  #target: Target | undefined
  #company: Attacker[] = []
  #keys = 0
  #moment: number | undefined
  /** Why the state cannot be prepared. */
  #impossible: unknown

  constructor(kind: Kind, state: State, scale: number) {
    this.#kind = kind
    this.#state = state
    this.#scale = scale
  }

  async measure(one: Case, heart: Heartbeat): Promise<Outcome> {
    try {
      if (this.#impossible !== undefined) throw this.#impossible
      const target = this.#target ?? (await this.#prepare())
      const { prelude } = this.#state
      const outcome = await attack(
        target,
        {
          ...one,
          ...(prelude && { prelude }),
          ...(this.#moment !== undefined && { moment: this.#moment }),
        },
        heart,
      )
      if (outcome.fault !== undefined || !(await this.#isUnmarked(outcome))) await this.stop()
      return outcome
    } catch (error) {
      await this.stop()
      return failed(error)
    }
  }

  async #prepare(): Promise<Target> {
    try {
      return await this.#enter()
    } catch (error) {
      this.#impossible = error
      throw error
    }
  }

  async #enter(): Promise<Target> {
    const { before, company, dueIn, mayFail } = this.#state
    const target = await launch({
      command: this.#kind === 'ktree' ? ktreeCommand() : redisCommand(),
    })
    this.#target = target
    const due = Date.now() + (dueIn ?? 0)
    this.#moment = dueIn === undefined ? undefined : due + 5
    await prepare(target.port, before?.(this.#scale, this.#kind, due) ?? [], mayFail)
    for (const { count, requests, waits, mute } of company?.(this.#scale, this.#kind) ?? []) {
      for (let from = 0; from < count; from += AT_ONCE) {
        const some = Array.from({ length: Math.min(AT_ONCE, count - from) }, async (_, i) => {
          const client = new Attacker(target.port)
          this.#company.push(client)
          const pieces = encode(requests(from + i))
          await (waits ? client.send(pieces) : client.sendAll(pieces))
          if (mute) client.mute()
        })
        await within(COMPANY_MS, 'what other clients do before', Promise.all(some))
      }
    }
    await prepare(target.port, warmUp())
    // What is due does not wait until all is quiet.
    if (dueIn === undefined) {
      await sleep(SETTLED_MS)
      await quiet(target.child.pid)
    }
    this.#keys = (await keysOf(target.port)) ?? 0
    return target
  }

  async #isUnmarked({ memory }: Outcome): Promise<boolean> {
    if (this.#target === undefined || this.#moment !== undefined || memory > MILD_BYTES)
      return false
    if (this.#company.some(({ closed }) => closed)) return false
    const keys = await keysOf(this.#target.port)
    return keys !== undefined && Math.abs(keys - this.#keys) <= Math.max(5, MILD_PART * this.#keys)
  }

  async stop(): Promise<void> {
    for (const client of this.#company) client.close()
    this.#company = []
    await this.#target?.stop()
    this.#target = undefined
  }
}
