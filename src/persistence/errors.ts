/** Why the data cannot be read or written; the message is one line for the terminal. */
export class PersistenceError extends Error {
  override name = 'PersistenceError'
}

/** The data exists but is damaged. */
export class DamagedDataError extends PersistenceError {
  override name = 'DamagedDataError'
}

/** Another process, or another part of this one, has the data. */
export class InUseError extends PersistenceError {
  override name = 'InUseError'

  /** @param tree where the data is */
  constructor(tree: string) {
    super(`${tree} is in use by another process: stop it, or choose another directory with --dir`)
  }
}
