import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * What takes longest begins first, so that no file runs alone at the end. Some of the first do not
 * need the program, because it is built meanwhile.
 */
const LONGEST = [
  'persistence/damage',
  'server/linear',
  'cluster/nodes',
  'clients/small-heap',
  'cluster/checker/',
  'cluster/snapshots',
  'cluster/trouble',
  'cluster/canaries',
  'server/scale',
  'server/pieces',
  'persistence/',
  'clients/',
].map((name) => `/test/${name}`)

/** How early a file begins: its place among the longest, or the end. */
function placeOf({ moduleId }: TestSpecification): number {
  const place = LONGEST.findIndex((name) => moduleId.includes(name))
  return place < 0 ? LONGEST.length : place
}

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => placeOf(a) - placeOf(b))
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/clients/build.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './test/reporter.ts'],
  },
})
