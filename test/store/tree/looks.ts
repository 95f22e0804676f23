import { vi } from 'vitest'
import { Children } from '../../../src/store/tree/children.ts'

/** How many nodes are looked for while something is done. */
export function looksOf(run: () => void): number {
  const find = vi.spyOn(Children.prototype, 'find')
  run()
  const { length } = find.mock.calls
  find.mockRestore()
  return length
}
