import { expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { SeededRandom, seedOfRun } from '../persistence/seeded-random.ts'
import { ErrorReply, join, start, visit } from '../server/raw-client.ts'
import { PathModel } from './path-model.ts'
import { playScenes } from './play.ts'
import { anyPath, spelled } from './random-requests.ts'
import { asRule, KEY_RULES } from './scene.ts'

/** How many requests the users make altogether. */
const OPS = Number(process.env.KTREE_ACCESS_OPS ?? 1500)
test('no request shows or changes what its user may not see or change', async () => {
  const seed = seedOfRun()
  const random = new SeededRandom(seed)
  const clock = new ManualClock()
  const server = await start({
    clock,
    directives: { 'notify-keyspace-events': 'AKEnm', 'slowlog-log-slower-than': '0' },
  })
  const admin = await join(server)
  try {
    await playScenes(
      { store: server.store, admin, clock, connect: () => visit(server) },
      random,
      OPS,
    )
  } catch (error) {
    throw new Error(`KTREE_SEED=${seed}: ${(error as Error).message}`)
  }
}, 3_600_000)

/** Commands of one key, with what they need of it: as the declaration should say. */
const NEEDS: readonly (readonly [
  request: readonly string[],
  access: string,
  below: 'never' | 'directory' | 'always',
])[] = [
  [['GET', 'P'], 'r', 'never'],
  [['SET', 'P', 'v'], 'w', 'never'],
  [['SET', 'P', 'v', 'GET'], 'rw', 'never'],
  [['SET', 'P', 'v', 'IFEQ', 'x'], 'rw', 'never'],
  [['EXISTS', 'P'], '', 'never'],
  [['DEL', 'P'], 'w', 'never'],
  [['TTL', 'P'], 'r', 'never'],
  [['EXPIRE', 'P', '100'], 'w', 'directory'],
  [['PERSIST', 'P'], 'w', 'directory'],
  [['MEMORY', 'USAGE', 'P'], '', 'directory'],
  [['KGET', 'P'], 'r', 'directory'],
  [['KGET', 'P', 'SORTED'], 'r', 'directory'],
  [['KGET', 'P', 'recursive'], 'r', 'always'],
  [['KSET', 'P', 'v'], 'rw', 'never'],
  [['KCREATE', 'P', 'v'], 'w', 'never'],
  [['KUPDATE', 'P', ''], 'rw', 'directory'],
  [['KCAS', 'P', 'v', 'PREVVALUE', 'w'], 'rw', 'never'],
  [['KCAD', 'P', 'PREVVALUE', 'w'], 'rw', 'never'],
  [['KDEL', 'P'], 'rw', 'directory'],
  [['KDEL', 'P', 'DIR'], 'rw', 'directory'],
  [['KDEL', 'P', 'RECURSIVE'], 'rw', 'always'],
  [['KMKDIR', 'P'], 'w', 'never'],
  [['KMKDIR', 'P', 'REPLACE'], 'rw', 'never'],
  [['KMKDIR', 'P', 'EX', '9'], 'w', 'always'],
  [['KWAIT', 'P', 'TIMEOUT', '1'], 'r', 'never'],
  [['KWAIT', 'P', 'RECURSIVE', 'TIMEOUT', '1'], 'r', 'always'],
]

test('what a user may do with its keys is what the model says', async () => {
  const random = new SeededRandom(seedOfRun())
  const server = await start()
  const admin = await join(server)
  for (let round = 0; round < 60; round++) {
    const rules = Array.from({ length: random.between(1, 3) }, () => random.oneOf(KEY_RULES))
    const model = new PathModel(rules)
    await admin.call('FLUSHALL')
    await admin.call('ACL', 'SETUSER', 'u', 'reset', '+@all', ...rules.map(asRule))
    for (let i = 0; i < 12; i++) {
      await admin.call(
        ...random.oneOf([
          ['KMKDIR', anyPath(random)],
          ['SET', anyPath(random), 'v'],
        ]),
      )
    }
    for (const [request, access, below] of NEEDS) {
      const path = anyPath(random)
      const words = request.map((word) => (word === 'P' ? spelled(path, random) : word))
      const isDirectory = path === '/' || server.store.lookup(path)?.dir === true
      const reaches = below === 'always' || (below === 'directory' && isDirectory)
      // The right to a node and the right to what is below it must be one selector's, not one rule's.
      const allowed = model.may(path, access) && (!reaches || model.covers(path, access))
      const reply = await admin.call('ACL', 'DRYRUN', 'u', ...words)
      expect([words, rules, reply === 'OK']).toEqual([words, rules, allowed])
      expect(reply).not.toBeInstanceOf(ErrorReply)
    }
  }
})
