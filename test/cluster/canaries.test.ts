import { afterAll, beforeAll, expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { playScenes } from '../access/play.ts'
import type { Admin } from '../access/scene.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { SeededRandom, seedOfRun } from '../persistence/seeded-random.ts'
import { join, type RawClient, visit } from '../server/raw-client.ts'
import { note, thousands } from './checker/figures.ts'
import { type Group, startGroup } from './group.ts'
import { type Members, startMembers } from './members.ts'

/** How many requests the users make altogether; `make torture` has more. */
const OPS = Number(process.env.KTREE_GROUP_ACCESS_OPS ?? 30)
const NODES = 3
const DIRECTIVES = { 'notify-keyspace-events': 'AKEnm', 'slowlog-log-slower-than': '0' }
/** What each node has of its own. */
const OWN = ['ACL', 'CONFIG', 'SLOWLOG', 'PING']

describeWithPeer('etcd', 'users of a group', () => {
  let members: Members
  let group: Group
  const clock = new ManualClock()

  beforeAll(async () => {
    members = await startMembers(1)
    group = await startGroup({ on: members, nodes: 0, directives: DIRECTIVES })
    for (let i = 0; i < NODES; i++) await group.add({ clock })
  })
  afterAll(async () => {
    await group.stop()
    await members.stop()
  })

  test('see and change nothing that they may not, whichever nodes are asked', async () => {
    const seed = seedOfRun()
    const random = new SeededRandom(seed)
    const admins: RawClient[] = []
    for (const node of group.nodes) admins.push(await join(node))
    const [{ store }] = group.nodes
    const synced = async (): Promise<void> => {
      for (;;) {
        for (const each of admins) await each.call('KSYNC')
        const next = store.nextExpiry()
        if (next === undefined || next > clock.now()) return
        clock.advance(0)
      }
    }
    const admin: Admin = {
      call: async (...args) => {
        await synced()
        const all = OWN.includes(String(args[0]).toUpperCase())
        const asked = all ? admins : [random.oneOf(admins)]
        const replies = []
        for (const each of asked) replies.push(await each.call(...args))
        await synced()
        return replies[0]
      },
    }
    const connect = (): Promise<RawClient> => visit(random.oneOf(group.nodes))
    try {
      await playScenes({ admin, store, clock, connect, synced }, random, OPS)
    } catch (error) {
      throw new Error(`KTREE_SEED=${seed}: ${(error as Error).message}`)
    }
    const states = []
    for (const each of admins) states.push(await each.call('KSAVE'))
    for (const state of states) expect(state).toBe(states[0])
    note(
      `${thousands(OPS)} generated requests of users, spread over ${NODES} nodes`,
      'nothing forbidden was sent or changed; KSAVE equal',
    )
  }, 3_600_000)
})
