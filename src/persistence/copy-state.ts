import { Tally } from '../store/tree/changes.ts'

/** What is known of the copy on disk: as of the last commit. */
export interface CopyState {
  /** Counts the commits. */
  batch: number
  /** The id of `/`; 0 before there is a copy. */
  rootId: number
  /** The records of events: the index of each one's first and last. */
  eventRecords: Map<number, number>
  /** How many records of events there are, and the sum of their last indexes. */
  eventsTally: Tally
  /** Events up to this index have been written, or dropped before they were. */
  eventsUpTo: number
  /** Up to this index the record of dropped events' places is complete. */
  placesUpTo: number
}

export function emptyCopy(): CopyState {
  return {
    batch: 0,
    rootId: 0,
    eventRecords: new Map(),
    eventsTally: new Tally(),
    eventsUpTo: 0,
    placesUpTo: 0,
  }
}
