import { PersistenceError } from './errors.ts'

/**
 * The format of everything in a data directory. It is raised when an older ktree could not read the data any
 * more: 1 had no journal, and no values in records of their own; 2 had a record for each component of the paths of
 * dropped events.
 */
export const FORMAT = 3

/** @throws PersistenceError if a newer ktree has written the data */
export function assertKnownFormat(format: number): void {
  if (format <= FORMAT) return
  throw new PersistenceError(
    `the data was written by a newer ktree, in format ${format}; this one knows formats up to ${FORMAT}`,
  )
}
