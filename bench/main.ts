import { parseArgs } from 'node:util'
import { describeMachine } from './machine.ts'
import { findPeers } from './peers.ts'
import { haveResults, keep, preview, type Section, sectionOf } from './report.ts'
import { type Run, reason, type Trial } from './trial.ts'
import { cas } from './trials/cas.ts'
import { durability } from './trials/durability.ts'
import { expiry } from './trials/expiry.ts'
import { fanout } from './trials/fanout.ts'
import { group } from './trials/group.ts'
import { listing } from './trials/listing.ts'
import { memory } from './trials/memory.ts'
import { ping } from './trials/ping.ts'
import { readWrite } from './trials/read-write.ts'
import { startup } from './trials/startup.ts'
import { tls } from './trials/tls.ts'

const TRIALS: readonly Trial[] = [
  ping,
  ...readWrite,
  tls,
  cas,
  fanout,
  listing,
  expiry,
  memory,
  startup,
  durability,
  group,
]

/** A run that takes longer hangs, and is ended. */
const MAX_RUN_MS = 45 * 60_000

const HELP = `make bench [ARGS="[trial ...] [--pipeline N ...] [--rounds N] [--requests N] [--quick]"]

Runs the same work against redis-server, etcd and ktree in turn, and writes bench/RESULTS.md.
Trials (all if none is named):
${TRIALS.map(({ name, title }) => `  ${name.padEnd(11)} ${title}`).join('\n')}

  --pipeline N   only this pipeline (may be repeated)
  --rounds N     turns of each server in each case (3)
  --requests N   requests per turn at pipeline 1, in trials that count requests (100000)
  --quick        a short run of less than two minutes, to see that everything works

After a whole run, a trial run by name replaces its own results and keeps the others. With
--pipeline, --requests or --quick the results are only printed.
`

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} takes a number from 1 on`)
  return value
}

function readCommandLine() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      pipeline: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      requests: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  })
  const unknown = positionals.find((name) => !TRIALS.some((trial) => trial.name === name))
  if (unknown !== undefined) throw new Error(`there is no trial ${unknown}\n\n${HELP}`)
  const { quick } = values
  return {
    help: values.help ?? false,
    trials: TRIALS.filter(({ name }) => positionals.length === 0 || positionals.includes(name)),
    quick,
    pipelines: values.pipeline?.map((text) => positive('pipeline', text)),
    rounds: positive('rounds', values.rounds ?? (quick ? '1' : '3')),
    requests: positive('requests', values.requests ?? (quick ? '5000' : '100000')),
    kept: !quick && values.pipeline === undefined && values.requests === undefined,
  }
}

type CommandLine = ReturnType<typeof readCommandLine>

/** Runs the trials, and writes or prints their results. @returns whether all of them succeeded */
async function bench({ trials, kept, ...options }: CommandLine): Promise<boolean> {
  const { peers, ktree, missing } = findPeers()
  for (const line of missing) process.stderr.write(`${line}\n`)
  const progress = (text: string): void => {
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`)
  }
  const run: Run = { ...options, peers, ktree, progress }
  const command = ['make bench', process.argv.slice(2).join(' ')]
  const made = [
    `Made on ${new Date().toISOString().slice(0, 10)}`,
    `with \`${command[1] ? `${command[0]} ARGS="${command[1]}"` : command[0]}\``,
    `(${options.rounds} rounds); ${peers.map(({ version }) => version).join(', ')},`,
    `Node.js ${process.version}; ktree as \`${ktree.commandLine}\`; ${describeMachine()}.`,
  ].join(' ')
  const names = TRIALS.map(({ name }) => name)
  const writing = kept && (trials.length === TRIALS.length || haveResults())
  const sections: Section[] = []
  for (const trial of trials) {
    const started = performance.now()
    let section: Section
    try {
      const { rows, leftOut } = await trial.run(run)
      section = sectionOf(trial, { rows, leftOut: [...missing, ...leftOut], made })
    } catch (error) {
      // The trial's earlier results stay, and the other trials still run.
      process.stderr.write(`\n${trial.name} failed: ${reason(error)}\n`)
      continue
    }
    sections.push(section)
    progress(`${trial.name}: ${Math.round((performance.now() - started) / 1000)} s\n`)
    // Each trial's results are written at once, so that a later failure cannot lose them.
    if (writing) keep([section], names)
  }
  process.stdout.write(preview(sections))
  return sections.length === trials.length
}

try {
  const commandLine = readCommandLine()
  if (commandLine.help) {
    process.stdout.write(HELP)
  } else {
    setTimeout(() => {
      process.stderr.write(`\nnot done after ${MAX_RUN_MS / 60_000} minutes: ended\n`)
      process.exit(1)
    }, MAX_RUN_MS).unref()
    if (!(await bench(commandLine))) process.exitCode = 1
  }
  process.exit()
} catch (error) {
  process.stderr.write(`\n${error instanceof Error ? error.message : reason(error)}\n`)
  process.exit(1)
}
