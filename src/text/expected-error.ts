/**
 * The base of errors that are everyday answers, such as a failed compare-and-swap: they have no stack trace.
 *
 * Problem: whatever `Error` constructs captures a stack, which takes 2 to 8 µs, many times what the request takes, and
 * a transaction of half a million requests that fail would stop all others for seconds.
 * Trick: an object that only inherits from `Error.prototype`, and is not constructed by `Error`.
 * Price: `util.types.isNativeError` says no, and `stack` is the first line of one.
 * Gain: see "Tricks" in bench/HISTORY.md.
 * Can be deleted by extending `Error`.
 */
class Plain {
  readonly message: string

  constructor(message: string) {
    this.message = message
  }

  get stack(): string {
    return String(this)
  }
}

Object.setPrototypeOf(Plain.prototype, Error.prototype)

export const ExpectedError = Plain as unknown as new (message: string) => Error
