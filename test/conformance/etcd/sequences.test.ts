import fc from 'fast-check'
import { afterAll, beforeAll, test } from 'vitest'
import { describeWithPeer, type RunningEtcd, startEtcd } from '../peers.ts'
import { EtcdClient } from './etcd-client.ts'
import { operations, watches } from './generated-operations.ts'
import { type Tally, Twins } from './twins.ts'

/** At least this many operations are compared. */
const MIN_OPERATIONS = Number(process.env.KTREE_CONFORMANCE_OPS ?? 2000)
const TIMEOUT_MS = 60_000 + MIN_OPERATIONS * 30

const sequences = fc.array(
  fc.oneof({ weight: 6, arbitrary: operations }, { weight: 1, arbitrary: watches }),
  { minLength: 1, maxLength: 40, size: 'max' },
)

describeWithPeer('etcd', 'generated sequences of operations', () => {
  let etcd: RunningEtcd
  let client: EtcdClient

  beforeAll(async () => {
    etcd = await startEtcd()
    client = new EtcdClient(etcd.url)
  })
  afterAll(async () => {
    client.close()
    await etcd.stop()
  })

  test(
    'get the same replies and the same watched events as in etcd',
    async () => {
      const tally: Tally = { operations: 0, failures: 0, events: 0, departures: 0 }
      const property = fc.asyncProperty(sequences, async (sequence) => {
        const twins = await Twins.start(client, tally)
        try {
          for (const operation of sequence) {
            if (operation.kind === 'watch') await twins.watch(operation)
            else await twins.step(operation)
            tally.operations++
          }
          await twins.finish()
        } finally {
          twins.close()
        }
      })
      while (tally.operations < MIN_OPERATIONS) await fc.assert(property, { numRuns: 25 })
      const { operations, failures, events, departures } = tally
      console.log(
        `etcd conformance: ${operations} operations compared, ${failures} of them errors; ` +
          `${events} watched events, ${departures} watches left out as departures`,
      )
    },
    TIMEOUT_MS,
  )
})
