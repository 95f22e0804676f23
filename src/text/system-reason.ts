import { getSystemErrorMap } from 'node:util'

/** Why something failed. An error of the system has the text of C's `strerror`: `Permission denied`. */
export function systemReason(error: unknown): string {
  const { errno, message, cause } = error as NodeJS.ErrnoException
  if (cause !== undefined) return systemReason(cause)
  const text = getSystemErrorMap().get(errno ?? 0)?.[1]
  if (text === undefined) return error instanceof Error ? message : String(error)
  return text.charAt(0).toUpperCase() + text.slice(1)
}
