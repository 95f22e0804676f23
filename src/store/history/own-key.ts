import type { Event, NodeExtern } from '../event.ts'
import { ownCopy } from '../path.ts'
import { ShortEvent } from './short-event.ts'

/**
 * Gives an event a key of its own. A key from a request may be cut from a text of 4 kB, which it keeps in
 * memory; a few thousand events may do that, but not as many as the largest histories have.
 */
export function ownKey(event: Event): void {
  if (event instanceof ShortEvent) {
    event.key = ownCopy(event.key)
    return
  }
  const { node, prevNode } = event
  const key = ownCopy(node.key)
  setKey(node, key)
  if (prevNode?.key === key) setKey(prevNode, key)
}

function setKey(
  node: { -readonly [Field in keyof NodeExtern]: NodeExtern[Field] },
  key: string,
): void {
  node.key = key
}
