import { Tally } from '../store/tree/changes.ts'

/** What the copy on disk is like, as of the last checkpoint. */
export interface CopyState {
  /** Counts the checkpoints. */
  batch: number
  /** The store's index in it. */
  index: number
  /** The id of `/`; 0 if there is no copy yet. */
  rootId: number
  /** The records of events: the index of the first event in each, and that of the last. */
  eventRecords: Map<number, number>
  /** The number of records of events, and the sum of their last indexes. */
  eventsTally: Tally
  /** Events up to this index are on the disk, or were dropped before they were written. */
  eventsUpTo: number
  /** The record of dropped events' places is complete up to this index. */
  placesUpTo: number
}

/** Where the journal goes on after a checkpoint. */
export interface JournalPlace {
  /** The journal's id, in hexadecimal digits. */
  readonly id: string
  readonly position: number
  /** The sequence number of the segment that holds the position; older checkpoints do not know it. */
  readonly segment?: number | undefined
}

export function emptyCopy(): CopyState {
  return {
    batch: 0,
    index: 0,
    rootId: 0,
    eventRecords: new Map(),
    eventsTally: new Tally(),
    eventsUpTo: 0,
    placesUpTo: 0,
  }
}
