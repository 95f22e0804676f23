import { test } from 'vitest'

/**
 * A test of what a server alone does and a node of a group does not. It is skipped where tests run against
 * nodes, under a title that says why; see group.config.ts.
 *
 * @param why it cannot hold in a group
 */
export function testAlone(why: string, title: string, run: () => unknown): void {
  if (process.env.KTREE_ETCD === undefined) test(title, async () => void (await run()))
  else test.skip(`${title} (not in a group: ${why})`, run as () => void)
}
