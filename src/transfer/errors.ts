/** An import or export that failed; the message is one line for the terminal. */
export class TransferError extends Error {
  override name = 'TransferError'
}

/** A state whose checksum or form is wrong: no other attempt to read it can succeed. */
export class DamagedStateError extends TransferError {
  override name = 'DamagedStateError'
}

/** Explains an error of the file system in one line. */
export function fileError(action: string, path: string, error: unknown): TransferError {
  const { code, message } = error as NodeJS.ErrnoException
  const reason = code === 'ENOENT' ? 'there is no such file or directory' : message
  return new TransferError(`cannot ${action} ${path}: ${reason}`)
}

/** Names the state that an error is about, whatever kind of error it is: a limit of the language, for example. */
export function errorIn(name: string, error: unknown): TransferError {
  return new TransferError(`${name}: ${(error as Error).message}`, { cause: error })
}
