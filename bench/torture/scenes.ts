import type { Case } from './attack.ts'
import { manyKeys } from './scenes/keys.ts'
import { listeners } from './scenes/listeners.ts'
import { theRest } from './scenes/rest.ts'
import { largeValues } from './scenes/values.ts'

/** Requests whose cost lies in what is there when they come, of which no declaration tells. */
export function* scenes(): Generator<Case> {
  yield* largeValues()
  yield* manyKeys()
  yield* listeners()
  yield* theRest()
}
