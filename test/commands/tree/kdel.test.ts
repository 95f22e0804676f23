import { expect } from 'vitest'
import type { Clock } from '../../../src/store/clock.ts'
import { testAlone } from '../../cluster/alone.ts'
import { ErrorReply, join, type Reply, start } from '../../server/raw-client.ts'

const PATTERNS = 4000
const DUE = 5001

/** Patterns of a directory that name nothing, so that each has to be compared with each key. */
const hiddenPatterns = (directory: string): string[] =>
  Array.from({ length: PATTERNS }, (_, i) => {
    const digits = [...(i + PATTERNS).toString(2)]
    return `${directory}/${digits.map((digit) => (digit === '0' ? '?' : '[^x]')).join('')}*`
  })

const errorText = (reply: Reply): string => (reply instanceof ErrorReply ? reply.text : '')

testAlone(
  'who listens at one node must not decide what all nodes do',
  'KDEL DIR of due children is refused if they would be compared with too many patterns',
  async () => {
    let time = Date.UTC(2020, 0, 1)
    // Its timers never fire, so that due nodes stay until a command finds them.
    const clock: Clock = { now: () => time, elapsed: () => time, schedule: () => () => {} }
    const server = await start({ clock })
    const { store } = server
    const client = await join(server)
    const listener = await join(server)
    await listener.call('PSUBSCRIBE', ...hiddenPatterns('/d'))
    for (const directory of ['d', 'e', 'few']) {
      for (let i = 0; i < (directory === 'few' ? 10 : DUE); i++) {
        store.set(`/${directory}/${i}`, '', { expireTime: time + 10 })
      }
    }
    await client.call('KMKDIR', 'd/few')
    store.set('/d/few/x', '', { expireTime: time + 10 })
    time += 20
    const { index } = store
    const refusal =
      'ERR too many nodes to expire while clients listen to 4000 patterns (the limit is 20000000 comparisons)'
    expect(errorText(await client.call('KDEL', 'd', 'DIR'))).toBe(refusal)
    expect(store.index).toBe(index)
    // Few children, or those of a directory that nobody listens to, do not matter.
    for (const path of ['d/few', 'e', 'few']) {
      expect(await client.call('KDEL', path, 'DIR')).not.toBeInstanceOf(ErrorReply)
    }
  },
)
