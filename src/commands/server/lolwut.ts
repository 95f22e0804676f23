// LOLWUT

import { parseInteger } from '../../request/arguments/integer.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import type { Command } from '../../request/command.ts'
import { redisVersion, version } from '../../version.ts'

/** The depth of the tree. */
const LEVELS = 5

/**
 * Draws a tree, a different one each time. Each level is twice as wide as the one above, and a few
 * branches are missing.
 *
 * @param random returns a number from 0 up to but not including 1
 */
function drawTree(random: () => number): string {
  const width = 2 ** (LEVELS + 1)
  const lines: string[] = []
  let places = [width / 2]
  for (let level = 0; level < LEVELS; level++) {
    const cells = new Array<string>(width).fill(' ')
    const next: number[] = []
    const reach = width / 2 ** (level + 2)
    for (const place of places) {
      cells[place] = level === LEVELS - 1 ? '*' : 'o'
      if (level < LEVELS - 1) {
        for (const side of [-1, 1]) {
          if (level > 0 && random() < 0.2) continue
          for (let step = 1; step < reach; step++) cells[place + side * step] = '-'
          next.push(place + side * reach)
        }
      }
    }
    lines.push(cells.join('').trimEnd())
    places = next
  }
  return lines.join('\n')
}

/** A picture. */
export const lolwutCommands: readonly Command[] = [
  {
    name: 'lolwut',
    summary: 'Draws a tree, and shows the version.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: -1,
    flags: ['readonly', 'fast'],
    reach: 'nothing',
    args: [{ name: 'version', type: 'integer', token: 'VERSION', optional: true }],
    run({ reply }, args) {
      if (args.length > 2 && tokenOf(args[1]) === 'VERSION') parseInteger(args[2])
      reply.verbatim(
        'txt',
        `${drawTree(Math.random)}\n\nktree ver. ${version}\nRedis ver. ${redisVersion}\n`,
      )
    },
  },
]
