import { PersistenceError } from './errors.ts'

/** The format of the data. It is raised when an older ktree could not read the data any more. */
export const FORMAT = 1

/** @throws PersistenceError if a newer ktree has written the data */
export function assertKnownFormat(format: number): void {
  if (format <= FORMAT) return
  throw new PersistenceError(
    `the data was written by a newer ktree, in format ${format}; this one knows formats up to ${FORMAT}`,
  )
}
