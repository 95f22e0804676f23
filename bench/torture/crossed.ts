import { findProgram } from '../peers.ts'
import type { Case, Outcome } from './attack.ts'
import { company } from './crossed/company.ts'
import { Field } from './crossed/field.ts'
import { type Form, pairs, singleForms, translate } from './crossed/requests.ts'
import type { State } from './crossed/state.ts'
import { trees } from './crossed/trees.ts'
import { users } from './crossed/users.ts'
import { Heartbeat } from './heartbeat.ts'
import { comparable, figure, ratio, readTable, type Verdict } from './hostile.ts'
import { encode, type Request } from './request.ts'

// States that clients prepare, times short requests that meet them, times the ways to send many:
// most of what stopped all others was found by a person who crossed these three.

const MB = 1024 ** 2
const FACTOR = 3
/** Above these a row is marked, if Redis is better by the factor. */
const NOTICED_MS = 500
/** The same where exec-read-time-limit has ended an EXEC. */
const LIMITED_MS = 1000
const NOTICED_BYTES = 100 * MB
/** From here on Redis is asked, and half the size tried. */
const SUSPECT_MS = 300
/** Half the state and half the requests are to take half the time, or at least not a third. */
const GROWTH = 2.7

const TRANSACTION_BYTES = 250_000
const TRANSACTION_REQUESTS = 10_000
const PIPELINE_BYTES = MB
const CROWD = 300
/** What is not over then need not end. */
const CPU_LIMIT_MS = 6000

const ROUTES = ['EXEC', 'crowd', 'pipeline'] as const
type Route = (typeof ROUTES)[number]

/** As many of some requests in turn as fit. */
function repeatedly(turns: readonly Request[], bytes: number, most: number): Request[] {
  const each = encode(turns).reduce((sum, piece) => sum + piece.length, 0)
  const rounds = Math.max(1, Math.min(Math.floor(bytes / each), Math.floor(most / turns.length)))
  return Array.from({ length: rounds }, () => turns).flat()
}

function caseOf(form: Form, route: Route, scale: number): Case {
  const { command, turns } = form
  const shown = turns.map((words) => words.map((word) => String(word).slice(0, 24)).join(' '))
  const one = (requests: Request[], what: string): Case => ({
    command,
    what: `${what} ${shown.join(' + ')}`,
    requests: () => requests,
    cpuLimitMs: CPU_LIMIT_MS,
  })
  switch (route) {
    case 'EXEC': {
      const most = TRANSACTION_REQUESTS * scale
      const requests = repeatedly(turns, TRANSACTION_BYTES * scale, most)
      return one([['MULTI'], ...requests, ['EXEC']], `EXEC of ${requests.length}:`)
    }
    case 'crowd': {
      const crowd = Math.round(CROWD * scale)
      return { ...one([...turns], `${crowd} clients:`), crowd }
    }
    case 'pipeline': {
      const requests = repeatedly(turns, PIPELINE_BYTES * scale, Number.POSITIVE_INFINITY)
      return one(requests, `pipeline of ${requests.length}:`)
    }
  }
}

interface Crossing {
  readonly state: State
  readonly form: Form
  readonly route: Route
}

interface Row {
  readonly crossing: Crossing
  readonly one: Case
  readonly ktree: Outcome
  readonly half?: Outcome | undefined
  readonly redis?: Outcome | undefined
  readonly marks: readonly string[]
}

/** A limit has done its work, which may take as long as it allows. */
const isLimited = ({ answer }: Outcome): boolean => answer.includes('too much time taken')

/** What is wrong whatever it took. What is not over within {@link CPU_LIMIT_MS} may let others through all the same. */
const faultOf = ({ fault }: Outcome): string | undefined =>
  fault?.startsWith('no whole reply') ? undefined : fault

const suspect = (outcome: Outcome): boolean =>
  outcome.held > (isLimited(outcome) ? LIMITED_MS : SUSPECT_MS) ||
  outcome.memory > NOTICED_BYTES ||
  faultOf(outcome) !== undefined

function marksOf(ktree: Outcome, half: Outcome, redis: Outcome | undefined): string[] {
  const fault = faultOf(ktree)
  const marks = fault === undefined ? [] : [fault]
  // Where Redis takes as long, it need not come to an end.
  const longer = redis !== undefined && FACTOR * redis.held > ktree.held
  const beside = comparable(ktree, redis) || longer
  const slower = !beside || ktree.held > FACTOR * redis.held
  if (ktree.held > (isLimited(ktree) ? LIMITED_MS : NOTICED_MS) && slower) marks.push('wait')
  if (ktree.held > SUSPECT_MS && slower && ktree.held > GROWTH * half.held) marks.push('growth')
  const usual = comparable(ktree, redis) ? redis.memory : ktree.sent + ktree.received
  if (ktree.memory > Math.max(NOTICED_BYTES, FACTOR * usual)) marks.push('memory')
  return marks
}

/** The servers in one state: ktree, ktree with half of it, and redis-server. */
class Fields {
  readonly #state: State
  readonly #heart: Heartbeat
  readonly #ktree: Field
  readonly #half: Field
  readonly #redis: Field | undefined

  constructor(state: State, heart: Heartbeat, beside: boolean) {
    this.#state = state
    this.#heart = heart
    this.#ktree = new Field('ktree', state, 1)
    this.#half = new Field('ktree', state, 0.5)
    if (beside && state.ours !== true) this.#redis = new Field('redis', state, 1)
  }

  async measure(form: Form, route: Route): Promise<Row> {
    const crossing = { state: this.#state, form, route }
    const one = caseOf(form, route, 1)
    let ktree = await this.#ktree.measure(one, this.#heart)
    if (!suspect(ktree)) return { crossing, one, ktree, marks: [] }
    // Other work on the machine, and a state with traces of former requests, only ever add to it.
    await this.#ktree.stop()
    const again = await this.#ktree.measure(one, this.#heart)
    const replaces = again.held < ktree.held || faultOf(again) !== undefined
    if (faultOf(ktree) === undefined && replaces) ktree = again
    if (!suspect(ktree)) return { crossing, one, ktree, marks: [] }
    const half = await this.#half.measure(caseOf(form, route, 0.5), this.#heart)
    await this.#half.stop()
    const alone = marksOf(ktree, half, undefined)
    const theirs = form.turns.map(translate).filter((request) => request !== undefined)
    const redis =
      alone.length > 0 && theirs.length === form.turns.length
        ? await this.#redis?.measure(caseOf({ ...form, turns: theirs }, route, 1), this.#heart)
        : undefined
    return { crossing, one, ktree, half, redis, marks: marksOf(ktree, half, redis) }
  }

  async stop(): Promise<void> {
    await this.#ktree.stop()
    await this.#half.stop()
    await this.#redis?.stop()
  }
}

const HEAD = `| mark | state | request | ktree held, ms¹ | half² | Redis | ratio | ktree memory, MB | Redis | ktree time, ms | ktree CPU, ms | ktree answers | Redis answers |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |`

function line({ crossing, one, ktree, half, redis, marks }: Row): string {
  const cells = [
    ...[marks.join(', '), crossing.state.name, one.what],
    ...[figure(ktree.held), figure(half?.held), figure(redis?.held)],
    ratio(ktree.held, redis?.held),
    ...[figure(ktree.memory / MB), figure(redis && redis.memory / MB)],
    ...[figure(ktree.time), figure(ktree.cpu)],
    ...[ktree.answer, redis?.fault ?? redis?.answer ?? '–'],
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

const states: readonly State[] = [...company, ...trees, ...users]

export interface Selection {
  /** Takes one crossing in so many. */
  readonly every: number
  /** A command, to leave out all others; then all of its crossings are taken. */
  readonly only?: string | undefined
  /** A part of the names of states, to leave out all others. */
  readonly state?: string | undefined
  readonly route?: string | undefined
}

/** Crosses states with requests and ways to send them, and prints those that others notice. */
export async function crossed({
  every,
  only,
  state: part,
  route: way,
}: Selection): Promise<Verdict> {
  const wanted = only?.toLowerCase()
  const table = await readTable()
  const beside = findProgram('redis-server') !== undefined
  const heart = new Heartbeat()
  const chosen = states.filter(({ name }) => part === undefined || name.includes(part))
  let at = 0
  let sent = 0
  let marked = 0
  process.stdout.write(`\n${HEAD}\n`)
  for (const state of chosen) {
    const fields = new Fields(state, heart, beside)
    for (const form of [...pairs(state.places), ...singleForms(table, state.places)]) {
      for (const route of ROUTES) {
        if (route === 'EXEC' ? form.outside : form.inside) continue
        if (way !== undefined && way !== route) continue
        if (
          wanted === undefined ? at++ % every !== 0 : !` ${form.command} `.includes(` ${wanted} `)
        )
          continue
        const row = await fields.measure(form, route)
        sent++
        if (row.marks.length > 0) marked++
        if (row.half !== undefined) process.stdout.write(`${line(row)}\n`)
      }
    }
    await fields.stop()
  }
  await heart.end()
  if (sent === 0) throw new Error(`nothing is called ${only ?? part}`)
  process.stdout.write(
    '\n¹ The longest wait of another client, and no more than the processor time of the server meanwhile.\n² With half of the state and of the requests.\n',
  )
  const missing = beside ? '' : '; without redis-server, which is missing'
  return { summary: `${sent} crossings, ${marked} marked${missing}`, failed: marked }
}
