/** Why the journal cannot be read or written; the message is one line for the terminal. */
export class JournalError extends Error {
  override name = 'JournalError'
}

/** The journal is there, and part of what it had on the disk is missing or changed. */
export class DamagedJournalError extends JournalError {
  override name = 'DamagedJournalError'
  /** The place and the damage, without advice. */
  readonly what: string

  /** @param place the file, and where in it the damage begins; or the directory */
  constructor(place: string, what: string) {
    super(
      `${place} is damaged: ${what}. Nothing has been changed. ` +
        'To save what can be read: ktree repair',
    )
    this.what = `${place}: ${what}`
  }
}
