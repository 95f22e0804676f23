import { pathToFileURL } from 'node:url'
import type { Command } from '../../src/request/command.ts'
import { findProgram } from '../peers.ts'
import { reason } from '../trial.ts'
import { attack, type Case, type Outcome } from './attack.ts'
import { generatedCases } from './generated.ts'
import { Heartbeat } from './heartbeat.ts'
import { ktreeCommand, launch, redisCommand, type Target } from './launch.ts'
import { scenes } from './scenes.ts'

const MB = 1024 ** 2
const FACTOR = 3
/** Below these nothing is marked, whatever Redis does. */
const NOTICED_MS = 50
const NOTICED_BYTES = 100 * MB
/** What is allowed where Redis has no such command. */
const ALONE_MS = 1000

interface Row {
  readonly one: Case
  readonly ktree: Outcome
  readonly redis: Outcome | undefined
  /** Why the row is marked; empty if it is not. */
  readonly marks: readonly string[]
}

/** What Redis refuses and ktree does is no measure. */
export const comparable = (ktree: Outcome, redis: Outcome | undefined): redis is Outcome =>
  redis !== undefined && redis.fault === undefined && (redis.served || !ktree.served)

function marksOf(ktree: Outcome, redis: Outcome | undefined): string[] {
  const marks: string[] = []
  if (ktree.fault !== undefined) marks.push(ktree.fault)
  const beside = comparable(ktree, redis)
  const usualWait = beside ? Math.max(NOTICED_MS, FACTOR * redis.held) : ALONE_MS
  if (ktree.held > usualWait) marks.push('wait')
  const usual = beside ? redis.memory : ktree.sent + ktree.received
  if (ktree.memory > Math.max(NOTICED_BYTES, FACTOR * usual)) marks.push('memory')
  // Where Redis cuts off, too, a limit has done its work.
  const cutOff = (outcome: Outcome): boolean => outcome.answer.includes('cut off')
  if (cutOff(ktree) && !(redis !== undefined && cutOff(redis))) marks.push('cut off')
  return marks
}

export const failed = (why: unknown): Outcome => ({
  wait: 0,
  held: 0,
  time: 0,
  cpu: 0,
  memory: 0,
  sent: 0,
  received: 0,
  answer: '',
  served: false,
  fault: reason(why).slice(0, 120),
})

/** What a request may cost and yet leave the server as it was. */
const MILD_MS = 50
const MILD_BYTES = 30 * MB

/** A kind of server: the one that runs is used again after requests that left no mark on it. */
class Host {
  readonly #command: string
  #target: Target | undefined

  constructor(command: string) {
    this.#command = command
  }

  async measure(one: Case, heart: Heartbeat): Promise<Outcome> {
    const needsMuch = one.prepare !== undefined || one.onlookers !== undefined
    if (needsMuch) await this.stop()
    try {
      this.#target ??= await launch({ command: this.#command })
      const outcome = await attack(this.#target, one, heart)
      const { held, memory, fault } = outcome
      const mild = held < MILD_MS && memory < MILD_BYTES && fault === undefined
      if (needsMuch || !mild) await this.stop()
      return outcome
    } catch (error) {
      await this.stop()
      return failed(error)
    }
  }

  async stop(): Promise<void> {
    await this.#target?.stop()
    this.#target = undefined
  }
}

interface Hosts {
  readonly ktree: Host
  readonly redis: Host | undefined
}

async function measureBoth(one: Case, hosts: Hosts, heart: Heartbeat): Promise<Row> {
  const redis = one.ours ? undefined : await hosts.redis?.measure(one, heart)
  const ktree = await hosts.ktree.measure(one, heart)
  return { one, ktree, redis, marks: marksOf(ktree, redis) }
}

export const figure = (value: number | undefined): string =>
  value === undefined ? '–' : Math.round(value).toLocaleString('en').replaceAll(',', ' ')

export function ratio(ours: number, theirs: number | undefined): string {
  // Less than so much is not measured.
  return theirs === undefined ? '–' : (Math.max(ours, 5) / Math.max(theirs, 5)).toFixed(1)
}

function line({ one, ktree, redis, marks }: Row): string {
  const cells = [
    ...[marks.join(', '), one.command, one.what],
    ...[figure(ktree.wait), figure(redis?.wait), ratio(ktree.held, redis?.held)],
    ...[figure(ktree.memory / MB), figure(redis && redis.memory / MB)],
    ratio(ktree.memory / MB, redis && redis.memory / MB),
    ...[figure(ktree.time), figure(ktree.cpu)],
    ...[ktree.answer, redis?.fault ?? redis?.answer ?? '–'],
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

const HEAD = `| mark | command | request | ktree wait, ms | Redis | ratio¹ | ktree memory, MB | Redis | ratio | ktree time, ms | ktree CPU, ms | ktree answers | Redis answers |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |`

/** What a chapter of `make torture` comes to. */
export interface Verdict {
  readonly summary: string
  readonly failed: number
}

/** The table of the server that is built, and attacked. */
export async function readTable(): Promise<readonly Command[]> {
  const { href } = pathToFileURL('dist/commands/table.js')
  const { commandTable } = (await import(href)) as typeof import('../../src/commands/table.ts')
  return commandTable
}

/**
 * Sends the largest requests that the limits admit to ktree and to redis-server, each to a server of
 * its own, and prints a table.
 *
 * @param every takes one generated request in so many; all of a command that is named
 * @param only a command, to leave out all others
 */
export async function hostile(every: number, only?: string): Promise<Verdict> {
  const wanted = only?.toLowerCase()
  const cases = [
    ...scenes(),
    ...[...generatedCases(await readTable())].filter(
      (_, i) => wanted !== undefined || i % every === 0,
    ),
  ].filter(({ command }) => wanted === undefined || `${command} `.startsWith(`${wanted} `))
  if (cases.length === 0) throw new Error(`there is no command ${only}`)
  const beside = findProgram('redis-server') !== undefined
  const hosts: Hosts = {
    ktree: new Host(ktreeCommand()),
    redis: beside ? new Host(redisCommand()) : undefined,
  }
  const heart = new Heartbeat()
  let marked = 0
  process.stdout.write(`\n${HEAD}\n`)
  for (const one of cases) {
    let row = await measureBoth(one, hosts, heart)
    // Other work on the machine, and a program that has just begun, only ever add to a wait.
    if (row.marks.includes('wait') && row.ktree.fault === undefined) {
      const again = await measureBoth(one, hosts, heart)
      if (again.marks.length <= row.marks.length) row = again
    }
    if (row.marks.length > 0) marked++
    process.stdout.write(`${line(row)}\n`)
  }
  process.stdout.write(
    '\n¹ Of each wait no more than the processor time of the server meanwhile.\n',
  )
  await heart.end()
  await hosts.ktree.stop()
  await hosts.redis?.stop()
  const missing = beside ? '' : '; without redis-server, which is missing'
  return { summary: `${cases.length} requests, ${marked} marked${missing}`, failed: marked }
}
