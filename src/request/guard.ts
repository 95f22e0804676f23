/** Who answers for an unexpected error: a connection ends, a server only logs it. */
export interface Accountable {
  fail(error: unknown): void
}

/**
 * Wraps a callback that the event loop calls, or another client's request: an error that it throws
 * ends in its owner, and not in the caller, which has others to serve.
 */
export function guarded<Arguments extends unknown[]>(
  owner: Accountable,
  callback: (...args: Arguments) => void,
): (...args: Arguments) => void {
  return (...args) => {
    try {
      callback(...args)
    } catch (error) {
      owner.fail(error)
    }
  }
}

/** Takes all steps, even if one of them throws an error. */
export function takeSteps(owner: Accountable, ...steps: (() => void)[]): void {
  for (const step of steps) guarded(owner, step)()
}
