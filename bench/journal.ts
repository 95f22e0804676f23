import { closeSync, fdatasync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { Journal } from '../src/log/journal.ts'
import { makeDirectory, removeDirectory } from './children.ts'
import { summarize } from './latencies.ts'

const HELP = `node journal.js [way ...] [--kilobytes N ...] [--seconds N] [--rounds N] [--turn MS]
Appends once a turn in several ways, with an fdatasync on another thread meanwhile, and prints how long
the appends took. The figures behind docs/decisions/0011-journal.md; run by hand.

"blocked" is how long the one that waited longest was kept from running by the system, without the
time that it waited for the processor: of all figures the one that other work spoils least (Linux only).`

/** Between two syncs, in milliseconds. */
const PERIOD_MS = 500
const MEGABYTE = 1024 ** 2
const ZEROS_BYTES = 256 * MEGABYTE

const sync = promisify(fdatasync)

/** A way to keep what the turns write. */
interface Way {
  append(bytes: Buffer): void
  sync(): Promise<void>
  close(): Promise<void>
}

/** @param zeros so many bytes are there before, and are overwritten again and again */
function oneFile(directory: string, zeros = 0): Way {
  const file = openSync(join(directory, 'one'), 'w+')
  let position = 0
  const block = Buffer.alloc(MEGABYTE)
  for (let at = 0; at < zeros; at += block.length) writeSync(file, block, 0, block.length, at)
  return {
    append(bytes) {
      if (zeros > 0 && position + bytes.length > zeros) position = 0
      writeSync(file, bytes, 0, bytes.length, position)
      position += bytes.length
    },
    sync: () => sync(file),
    close: async () => closeSync(file),
  }
}

function twoFiles(directory: string): Way {
  const files = ['one', 'two'].map((name) => openSync(join(directory, name), 'w+'))
  const positions = [0, 0]
  let current = 0
  return {
    append(bytes) {
      writeSync(files[current], bytes, 0, bytes.length, positions[current])
      positions[current] += bytes.length
    },
    sync() {
      const former = files[current]
      current = 1 - current
      return sync(former)
    },
    close: async () => files.forEach((file) => void closeSync(file)),
  }
}

interface Plan {
  readonly period: number
  open(directory: string): Way | Promise<Way>
}

const WAYS: Record<string, Plan> = {
  'no-sync': { period: Number.POSITIVE_INFINITY, open: oneFile },
  'one-file': { period: PERIOD_MS, open: oneFile },
  'one-file-each-second': { period: 1000, open: oneFile },
  'one-file-always': { period: 0, open: oneFile },
  'two-files': { period: PERIOD_MS, open: twoFiles },
  'zeros-ahead': { period: PERIOD_MS, open: (directory) => oneFile(directory, ZEROS_BYTES) },
  journal: {
    period: PERIOD_MS,
    async open(directory) {
      const journal = await Journal.open(directory, { apply: () => {} })
      return {
        append: (bytes) => void journal.append([bytes]),
        sync: () => journal.sync(),
        close: () => journal.close(),
      }
    },
  },
}

/** How long this thread has run, and has waited for the processor, in milliseconds. */
function threadTimes(): { ran: number; queued: number } {
  try {
    const file = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r')
    const text = Buffer.alloc(64)
    const length = readSync(file, text)
    closeSync(file)
    const [ran, queued] = text.toString('latin1', 0, length).split(' ')
    return { ran: Number(ran) / 1e6, queued: Number(queued) / 1e6 }
  } catch {
    return { ran: 0, queued: 0 }
  }
}

async function measure(name: string, bytes: Buffer, seconds: number, turn: number): Promise<void> {
  const { period, open } = WAYS[name]
  const directory = makeDirectory()
  const way = await open(directory)
  await way.sync()
  const times: number[] = []
  let blocked = 0
  let syncs = 0
  let longestSync = 0
  let syncing = false
  const start = performance.now()
  const end = start + seconds * 1000
  let lastSync = start
  for (let due = start; performance.now() < end; ) {
    while (performance.now() < due) await nextTurn()
    // A turn that came late does not make the next ones come faster for long.
    due = Math.max(due + turn, performance.now() - 5 * turn)
    const before = threadTimes()
    const began = performance.now()
    way.append(bytes)
    const took = performance.now() - began
    times.push(took)
    if (took > 1) {
      const after = threadTimes()
      blocked = Math.max(blocked, took - (after.ran - before.ran) - (after.queued - before.queued))
    }
    if (!syncing && performance.now() - lastSync >= period) {
      syncing = true
      lastSync = performance.now()
      way
        .sync()
        .then(() => {
          syncing = false
          syncs++
          longestSync = Math.max(longestSync, performance.now() - lastSync)
        })
        .catch((error: unknown) => {
          throw error
        })
    }
    await nextTurn()
  }
  while (syncing) await nextTurn()
  await way.close()
  removeDirectory(directory)
  const { p50, p99, p999, longest } = summarize(times)
  const rate = (times.length * bytes.length) / 1e6 / seconds
  console.log(
    [
      name.padEnd(20),
      `${bytes.length / 1024} KB`.padStart(7),
      `${rate.toFixed(0)} MB/s`.padStart(9),
      ...[p50, p99, p999, longest].map((ms) => `${(ms * 1000).toFixed(0)} µs`.padStart(9)),
      `blocked ${blocked.toFixed(1)} ms`.padStart(16),
      `${syncs} syncs of up to ${longestSync.toFixed(1)} ms`,
    ].join(' '),
  )
  // The removed file's blocks are given back in the background.
  await sleep(500)
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean' },
    kilobytes: { type: 'string', multiple: true, default: ['4', '16', '256'] },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    turn: { type: 'string', default: '1' },
  },
})
if (values.help) {
  console.log(HELP)
} else {
  console.log('way, bytes a turn, rate, appends: median, p99, p99.9, longest')
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const kilobytes of values.kilobytes) {
      const bytes = Buffer.alloc(Number(kilobytes) * 1024, 'ktree')
      for (const name of positionals.length > 0 ? positionals : Object.keys(WAYS)) {
        await measure(name, bytes, Number(values.seconds), Number(values.turn))
      }
    }
  }
}
