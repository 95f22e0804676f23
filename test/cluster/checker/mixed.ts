import type { SeededRandom } from '../../persistence/seeded-random.ts'
import type { ProcessGroup } from './process-group.ts'

/** No trouble lasts longer, in milliseconds; the longest outlasts a lease. */
const MAX_TROUBLE_MS = 3000
const LONG_TROUBLE_MS = 13_000

type Begin = (group: ProcessGroup, which: number) => Promise<void> | void

/** Trouble for one node or one member; the end of all is {@link ProcessGroup.mend}. */
const BEGINNINGS: readonly Begin[] = [
  ({ nodes }, i) => nodes[i].kill(),
  ({ nodes }, i) => nodes[i].pause(),
  ({ nodes }, i) => {
    for (const link of nodes[i].links) link.cut()
  },
  ({ nodes }, i) => {
    for (const link of nodes[i].links) link.silence()
  },
  ({ nodes }, i) => {
    for (const link of nodes[i].links) link.deafen()
  },
  ({ nodes }, i) => nodes[i].links[i].silence(),
  ({ members: { members } }, i) => members[i].kill(),
  ({ members: { members } }, i) => members[i].pause(),
]

/** All kinds of trouble, one after the other and two at a time. @param count how often there is some */
export async function mixedFaults(
  count: number,
  group: ProcessGroup,
  progress: (operations: number) => Promise<void>,
  random: SeededRandom,
): Promise<void> {
  for (let i = 0; i < count; i++) {
    await progress(50)
    const troubles = random.between(1, 2)
    for (let j = 0; j < troubles; j++) {
      const begin = BEGINNINGS[random.between(0, BEGINNINGS.length - 1)]
      await begin(group, random.between(0, 2))
    }
    const isLong = random.between(0, 19) === 0
    const longest = isLong ? LONG_TROUBLE_MS : random.between(100, MAX_TROUBLE_MS)
    const lasts = new Promise((resolve) => setTimeout(resolve, longest))
    // Without a majority of members there is no progress.
    await (isLong ? lasts : Promise.race([progress(random.between(20, 200)), lasts]))
    await group.mend()
  }
}
