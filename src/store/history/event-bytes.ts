import type { Event } from '../event.ts'
import { isShortForm } from './short-event.ts'

// Measured with a million events each: 121 to 133, 207, and 325 to 335 bytes. Of these, 28 are the place in the ring, and
// most of the rest of what varies are the headers of strings.
/** A short event takes about this much memory besides the bytes of its key and its values. */
export const SHORT_EVENT_BYTES = 136
/** The same of any other event of a node that was not there before. */
const EVENT_BYTES = 224
/** What the node before takes in such an event. */
const NODE_BYTES = 104

/**
 * Memory that an event in full takes besides the bytes of its key and its values, about. It depends on what the event tells, and
 * not on the form that it has here: all nodes of a group have to drop the same events.
 */
export function eventBytes(event: Event): number {
  if (isShortForm(event)) return SHORT_EVENT_BYTES
  return event.prevNode === undefined ? EVENT_BYTES : EVENT_BYTES + NODE_BYTES
}
