/** The changes of `dir` and `durability`, which take time and may fail. */
export interface PersistenceChanges {
  /** The change that the present request has asked for, if any; rejects if it fails. */
  readonly requested: Promise<void> | undefined
  /** Whether a change is under way, by whoever has asked for it: the directives may yet be set back. */
  readonly isChanging: boolean
  /**
   * Gives up the change under way, unless it has taken effect, and refuses others, because the server is about to end.
   *
   * @returns resolves when it has ended, and its client has its reply; undefined if none is under way
   */
  end(): Promise<void> | undefined
  /** Takes back an {@link end}: the server goes on. */
  goOn(): void
}
