import { expect, test } from 'vitest'
import { component, hashOf, scanBytes, scanComponent } from '../../../src/store/tree/name-hash.ts'
import { SeededRandom } from '../../persistence/seeded-random.ts'

test('a component has the same end and hash however it is read, and whatever was read before', () => {
  const random = new SeededRandom(31)
  const lengths = [0, 1, 3, 255, 256, 257, 300, 1000]
  const names = lengths.flatMap((length) => ['a', 'b'].map((byte) => byte.repeat(length)))
  for (let round = 0; round < 2000; round++) {
    const parts = Array.from({ length: random.between(1, 4) }, () => random.oneOf(names))
    const path = parts.join('/')
    const at = random.between(0, parts.length - 1)
    const start = parts.slice(0, at).reduce((sum, part) => sum + part.length + 1, 0)
    for (const _ of [1, 2]) {
      scanComponent(path, start)
      const { end, hash } = component
      scanBytes(Buffer.from(path), start, path.length)
      expect([end, hash]).toEqual([component.end, component.hash])
      expect([end, hash]).toEqual([start + parts[at].length, hashOf(parts[at])])
    }
  }
})
