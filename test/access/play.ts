import type { ManualClock } from '../../src/store/clock.ts'
import type { Store } from '../../src/store/store.ts'
import type { SeededRandom } from '../persistence/seeded-random.ts'
import type { RawClient } from '../server/raw-client.ts'
import { type Admin, Scene, stateOf } from './scene.ts'

const STEPS = 25

/** What scenes are played with: one server, or several nodes. */
export interface Stage {
  /** May do everything. */
  readonly admin: Admin
  readonly store: Store
  readonly clock: ManualClock
  connect(): Promise<RawClient>
  /** Resolves when the store has all that was written. */
  synced?(): Promise<void>
}

/**
 * Has users make requests, with what they may not see marked in every value.
 *
 * @param count of their requests
 * @throws Error if one of them sees or changes what it may not
 */
export async function playScenes(stage: Stage, random: SeededRandom, count: number): Promise<void> {
  let requests = 0
  while (requests < count) {
    const scene = new Scene(random, stage)
    await scene.begin()
    let witness = await scene.connect()
    for (let i = 0; i < STEPS; i++) {
      const kind = random.next()
      if (kind < 0.12) await scene.listen()
      else if (kind < 0.3) await scene.plant()
      else if (kind < 0.36) await scene.move()
      else if (kind < 0.4) await scene.ask(['KDEL', scene.above(), 'RECURSIVE'])
      else if (kind < 0.42) await scene.narrow()
      else if (kind < 0.46) {
        const before = stateOf(stage.store)
        stage.clock.advance(1500)
        await scene.settle()
        scene.checkUnchanged(before)
      } else {
        if (witness.client.ended) witness = await scene.connect()
        await scene.use(witness)
        requests++
      }
    }
    await scene.end()
  }
}
