import type { Socket } from 'node:net'
import { sleep, within } from '../../children.ts'
import { open } from '../../load-client.ts'
import { findProgram } from '../../peers.ts'
import { ktreeCommand, redisCommand } from '../launch.ts'
import { type Finding, type MachineTrial, text, withClient } from './support.ts'

const LIMIT = 128
const IDLE = 200
const WRITES = 400
const VALUE = 'x'.repeat(100_000)
const BETWEEN_MS = 10

async function starve(finding: Finding, name: string, command: string): Promise<number> {
  let made = 0
  const idle: Socket[] = []
  await withClient({ command: `ulimit -n ${LIMIT}\n${command}` }, async (client, { port }) => {
    let told = 0
    for (let i = 0; i < IDLE; i++) {
      const socket = await within(2000, 'a connection', open(port)).catch(() => undefined)
      if (socket === undefined) continue
      socket.on('data', (chunk) => {
        if (chunk.toString('latin1').includes('max number of clients')) told++
      })
      idle.push(socket)
    }
    let first = ''
    for (let i = 0; i < WRITES; i++) {
      const asking = client.askAll([['SET', `key:${i}`, VALUE]])
      const [reply] = await within(2000, 'a reply', asking).catch((error) => [error])
      if (reply === 'OK') made++
      else if (first === '') first = text(reply)
      await sleep(BETWEEN_MS)
    }
    const why = first === '' ? '' : ` (${first.slice(0, 70)})`
    finding.note(`${name}: ${made} of ${WRITES} writes${why}, ${told} clients told that it is full`)
  }).catch((error: Error) => finding.note(`${name}: ${error.message.slice(0, 100)}`))
  for (const socket of idle) socket.destroy()
  return made
}

export const descriptorTrials: readonly MachineTrial[] = [
  {
    name: 'descriptors',
    what: `\`ulimit -n ${LIMIT}\`, ${IDLE} idle clients, ${WRITES} writes of 100 kB`,
    async run(finding) {
      if (findProgram('redis-server')) await starve(finding, 'Redis', redisCommand())
      const made = await starve(finding, 'ktree', ktreeCommand())
      if (made < WRITES) finding.note('writes are refused', false)
    },
  },
]
