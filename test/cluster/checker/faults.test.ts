import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { useProgram } from '../../clients/program.ts'
import { describeWithPeer } from '../../conformance/peers.ts'
import { mixedFaults } from './mixed.ts'
import { type ProcessGroup, startProcessGroup } from './process-group.ts'
import { runTrial, type Trial } from './trial.ts'

/** `make torture` has more. */
const ROUNDS = Number(process.env.KTREE_CLUSTER_ROUNDS ?? 1)
const FIRST_SEED = Number(process.env.KTREE_CLUSTER_SEED ?? 1)

describeWithPeer('etcd', 'a group in trouble', () => {
  const program = useProgram()
  let group: ProcessGroup
  let seed = 0

  beforeAll(async () => {
    // The log is cut now and then meanwhile, and nobody waits long for what does not come.
    const args = ['--log-max-batches', '200', '--cluster-timeout', '1500']
    group = await startProcessGroup(join(program.dist, 'main.js'), args)
  })
  afterAll(() => group.stop())

  const cases: [string, Trial['faults']][] = [
    ['nothing happens', (_, progress) => progress(200)],
    [
      'a node is killed, and started again',
      async ({ nodes: [, node] }, progress) => {
        await progress(60)
        await node.kill()
        await progress(60)
        node.start()
        await node.ready()
        await progress(60)
      },
    ],
    [
      'a member is killed, and started again',
      async ({ members: { members } }, progress) => {
        await progress(60)
        await members[0].kill()
        await progress(60)
        members[0].start()
        await members[0].ready()
        await progress(60)
      },
    ],
    [
      'a node is cut off from etcd',
      async ({ nodes: [node] }, progress) => {
        await progress(60)
        for (const link of node.links) link.cut()
        await progress(60)
        for (const link of node.links) link.mend()
        await progress(60)
      },
    ],
    [
      'a node hears nothing of etcd for a while',
      async ({ nodes: [, , node] }, progress) => {
        await progress(60)
        for (const link of node.links) link.silence()
        await progress(60)
        for (const link of node.links) link.mend()
        await progress(60)
      },
    ],
    [
      'a node gets none of the answers of etcd, and loses its connections then',
      async ({ nodes: [node] }, progress) => {
        await progress(60)
        for (let round = 0; round < 3; round++) {
          for (const link of node.links) link.deafen()
          await progress(60)
          for (const link of node.links) link.cut()
          for (const link of node.links) link.mend()
          await progress(50)
        }
      },
    ],
    [
      'a member stands still',
      async ({ members: { members } }, progress) => {
        await progress(60)
        members[1].pause()
        await progress(60)
        members[1].resume()
        await progress(60)
      },
    ],
    [
      'a node stands still for longer than its lease',
      async ({ nodes: [node], members }, progress) => {
        await progress(60)
        node.pause()
        await members.endLeaseOf(`127.0.0.1:${node.port}`)
        await progress(60)
        node.resume()
        await progress(60)
      },
    ],
  ]

  test.each(cases)('is linearizable while %s', async (_, faults) => {
    const verdict = await runTrial({ group, seed: ++seed, clients: 6, faults })
    expect(verdict.faults).toEqual([])
  })

  test('is linearizable while all of this happens', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const faults = mixedFaults.bind(undefined, ROUNDS > 1 ? 6 : 3)
      const trial = { group, seed: FIRST_SEED + round, clients: 6, faults }
      const verdict = await runTrial(trial)
      expect(verdict.faults, `seed ${trial.seed}`).toEqual([])
    }
  })
})
