import { sleep, within } from '../../children.ts'
import { findProgram } from '../../peers.ts'
import { forgetPeak, peakMemory, residentMemory } from '../../process-usage.ts'
import type { Request } from '../../resp-connection.ts'
import { ktreeCommand, redisCommand, type Target } from '../launch.ts'
import { type Finding, type MachineTrial, notePing, text, withClient } from './support.ts'

const MB = 1024 ** 2
const DEEP = '/d'.repeat(1000)
const LIMIT_MS = 120_000
const VALUE = 'x'.repeat(100_000)
const HUNG_UP = 'the server hung up'
/** Of V8's heap, in MB, so that its end comes soon. */
const HEAP = 512

interface Load {
  readonly count: number
  /** Requests that are sent together. */
  readonly batch: number
  request(i: number): Request
}

/** Sends requests until they are done or the server is. @returns how many were not refused */
async function press(
  finding: Finding,
  command: string,
  load: Load,
  name = 'ktree',
): Promise<number | undefined> {
  let beyond: number | undefined
  await withClient({ command }, async (client, target: Target) => {
    const { pid } = target.child
    const base = residentMemory(pid)
    forgetPeak(pid)
    let taken = 0
    let refused = ''
    let sent = 0
    const all = async (): Promise<void> => {
      for (let i = 0; i < load.count; i += load.batch) {
        const size = Math.min(load.batch, load.count - i)
        const batch = Array.from({ length: size }, (_, j) => load.request(i + j))
        sent += batch.length
        for (const reply of await client.askAll(batch)) {
          if (reply instanceof Error) refused ||= reply.message
          else taken++
        }
      }
    }
    const failure = await within(LIMIT_MS, 'the requests', all()).then(
      () => undefined,
      (error: Error) => error.message,
    )
    await sleep(200)
    const peak = peakMemory(pid) - base
    const why = refused === '' ? '' : ` (${text(refused).slice(0, 60)})`
    finding.note(`${name}: ${taken} of ${sent} taken${why}`)
    if (!Number.isNaN(peak)) {
      finding.note(`${Math.round(peak / MB)} MB beyond its base`)
      beyond = peak
    }
    const code = target.ended()
    if (code !== undefined) finding.note(`${name} died (${code ?? 'signal'})`, name !== 'ktree')
    else if (failure !== undefined) {
      // To be cut off is a way to be limited.
      finding.note(`${name}: ${failure}`, name !== 'ktree' || failure === HUNG_UP)
    }
    if (code !== undefined) return
    if (name === 'ktree') await notePing(finding, target.port, 'afterwards')
  }).catch((error: Error) => finding.note(`${name}: ${error.message.slice(0, 80)}`, false))
  return beyond
}

const MAX_MEMORY = 200
/** What is measured from time to time may go on a little. */
const TOLERATED = 1.5 * MAX_MEMORY * MB

function limited(name: string, what: string, load: Load, ours = false): MachineTrial {
  return {
    name,
    what: `maxmemory ${MAX_MEMORY}mb: ${what}`,
    async run(finding) {
      const option = `--maxmemory ${MAX_MEMORY}mb`
      if (!ours && findProgram('redis-server')) {
        await press(finding, redisCommand(option), load, 'Redis')
      }
      const beyond = await press(finding, ktreeCommand(option), load)
      if (beyond !== undefined && beyond > TOLERATED) finding.note('far over maxmemory', false)
    },
  }
}

const deepPairs = (i: number): Request => ['SET', `/${i}${DEEP}`, 'v']

export const memoryTrials: readonly MachineTrial[] = [
  limited('max-deep', 'SET of paths with 1 000 levels', {
    count: 20_000,
    batch: 50,
    request: deepPairs,
  }),
  limited('max-values', 'SET of 100 kB', {
    count: 6000,
    batch: 20,
    request: (i) => ['SET', `key:${i}`, VALUE],
  }),
  limited('max-empty', 'MSET of 1 000 small keys', {
    count: 5000,
    batch: 5,
    request: (i) => [
      'MSET',
      ...Array.from({ length: 1000 }, (_, j) => [`key:${i}:${j}`, '']).flat(),
    ],
  }),
  limited('max-watch', 'WATCH of paths with 1 000 levels', {
    count: 12_000,
    batch: 50,
    request: (i) => ['WATCH', `/${i}${DEEP}`],
  }),
  limited(
    'max-kwatch',
    'KWATCH of paths with 1 000 levels',
    { count: 12_000, batch: 50, request: (i) => ['KWATCH', `/${i}${DEEP}`] },
    true,
  ),
  limited('max-subscribe', 'SUBSCRIBE to channels of 10 kB', {
    count: 60_000,
    batch: 50,
    request: (i) => ['SUBSCRIBE', `${i}${'c'.repeat(10_000)}`],
  }),
  limited('max-multi', 'MULTI, then SET of 100 kB', {
    count: 6000,
    batch: 20,
    request: (i) => (i === 0 ? ['MULTI'] : ['SET', `key:${i}`, VALUE]),
  }),
  {
    name: 'heap',
    what: `SET of 100 kB without maxmemory, with ${HEAP} MB of V8's heap`,
    run: async (finding) => {
      const command = `export NODE_OPTIONS=--max-old-space-size=${HEAP}\n${ktreeCommand()}`
      const load: Load = {
        count: 10_000,
        batch: 20,
        request: (i) => ['SET', `key:${i}`, VALUE],
      }
      await press(finding, command, load)
    },
  },
]
