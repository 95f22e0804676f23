/** Why the data cannot be read or written; the message is one line for the terminal. */
export class PersistenceError extends Error {
  override name = 'PersistenceError'
}

/** The data exists but is damaged. */
export class DamagedDataError extends PersistenceError {
  override name = 'DamagedDataError'
}
