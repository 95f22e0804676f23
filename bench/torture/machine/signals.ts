import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { makeDirectory, removeDirectory, sleep } from '../../children.ts'
import { RespConnection } from '../../resp-connection.ts'
import { ktreeCommand, launch, type Target } from '../launch.ts'
import {
  endsWithin,
  type Finding,
  type MachineTrial,
  noteEnd,
  notePing,
  PATIENCE_MS,
  visitByHttp,
  withClient,
  withTarget,
} from './support.ts'

const REACTION_MS = 1000
const NODES = 500_000
/** From the start of the program to the signal; a tree of this size takes longer to load. */
const BEFORE_SIGNAL_MS = [50, 300, 800]

/** A signal that is no reason to end, or to end in any way but the clean one. */
async function survives(finding: Finding, signal: NodeJS.Signals): Promise<void> {
  await withClient({ command: ktreeCommand() }, async (client, target) => {
    await client.ask('SET', 'k', 'v')
    process.kill(target.child.pid, signal)
    const ended = await endsWithin(REACTION_MS, target)
    const code = target.ended()
    if (ended) finding.note(code === null ? 'killed by it' : `exit ${code}`, code === 0)
    else await notePing(finding, target.port, 'after it')
    if (/debugger/i.test(target.child.output.err)) finding.note('it listens for a debugger', false)
  })
}

async function reopensLog(finding: Finding): Promise<void> {
  const command = ktreeCommand('--logfile "$DIR/log"')
  await withTarget({ command }, async (target) => {
    const log = join(target.directory, 'log')
    renameSync(log, `${log}.1`)
    process.kill(target.child.pid, 'SIGHUP')
    if (await endsWithin(REACTION_MS, target)) {
      finding.note(`it ended (exit ${target.ended()})`, false)
      return
    }
    await notePing(finding, target.port, 'after it')
    await visitByHttp(target.port)
    await sleep(REACTION_MS / 2)
    const fresh = existsSync(log) && readFileSync(log, 'utf8').includes('HTTP')
    finding.note(fresh ? 'a new log was begun' : 'it writes into the moved log', fresh)
  })
}

async function nohup(finding: Finding): Promise<void> {
  const command = ktreeCommand().replace(/^exec/, 'exec nohup')
  await withTarget({ command }, async (target) => {
    process.kill(target.child.pid, 'SIGHUP')
    await sleep(REACTION_MS)
    await notePing(finding, target.port, 'after SIGHUP')
  })
}

async function fill(directory: string): Promise<void> {
  const target = await launch({ command: ktreeCommand(), directory })
  const client = await RespConnection.open(target.port)
  const step = 10_000
  for (let i = 0; i < NODES; i += step) {
    const pairs = Array.from({ length: step }, (_, j) => [`dir${i / step}/key${j}`, 'value']).flat()
    await client.ask('MSET', ...pairs)
  }
  client.close()
  process.kill(target.child.pid, 'SIGTERM')
  await endsWithin(60_000, target)
  await target.stop()
}

/** The process that a program has started. */
function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ')[0])
}

async function pidOf({ child }: Target, first: boolean): Promise<number> {
  if (!first) return child.pid
  for (let i = 0; i < 100; i++) {
    const pid = childOf(child.pid)
    if (pid > 0) return pid
    await sleep(2)
  }
  throw new Error('unshare has started nothing')
}

/** @param first as process 1, to which signals that it does not listen for are lost */
async function whileLoading(finding: Finding, first: boolean): Promise<void> {
  const directory = makeDirectory()
  try {
    await fill(directory)
    const command = first
      ? ktreeCommand().replace(/^exec/, 'exec unshare -p -f --kill-child')
      : ktreeCommand()
    for (const delay of BEFORE_SIGNAL_MS) {
      const target = await launch({ command, directory, unready: true })
      try {
        const pid = await pidOf(target, first)
        await sleep(delay)
        const started = performance.now()
        process.kill(pid, 'SIGTERM')
        const ended = await endsWithin(PATIENCE_MS, target)
        const code = target.ended()
        const time = Math.round(performance.now() - started)
        const how = ended
          ? `${code === null ? 'killed' : `exit ${code}`}, ${time} ms`
          : 'still there'
        // Before the program has begun to run nobody can listen.
        finding.note(`after ${delay} ms: ${how}`, ended && (code === 0 || !first))
      } finally {
        await target.stop()
      }
    }
    await withClient({ command: ktreeCommand(), directory }, async (client) => {
      const size = Number(await client.ask('DBSIZE'))
      finding.note(`${size} of ${NODES} keys are there`, size === NODES)
    })
  } finally {
    removeDirectory(directory)
  }
}

export const signalTrials: readonly MachineTrial[] = [
  { name: 'sighup', what: 'SIGHUP after the log was moved', run: reopensLog },
  { name: 'nohup', what: 'SIGHUP under nohup', run: nohup },
  { name: 'sigquit', what: 'SIGQUIT', run: (finding) => survives(finding, 'SIGQUIT') },
  { name: 'sigusr1', what: 'SIGUSR1', run: (finding) => survives(finding, 'SIGUSR1') },
  { name: 'sigusr2', what: 'SIGUSR2', run: (finding) => survives(finding, 'SIGUSR2') },
  {
    name: 'sigint',
    what: 'SIGINT',
    run: (finding) =>
      withTarget({ command: ktreeCommand() }, (target) => noteEnd(finding, target, 'SIGINT')),
  },
  {
    name: 'loading',
    what: `SIGTERM while a tree of ${NODES} keys loads`,
    run: (finding) => whileLoading(finding, false),
  },
  {
    name: 'loading-first',
    what: 'the same as process 1 (`unshare -p -f`)',
    run: (finding) => whileLoading(finding, true),
  },
]
