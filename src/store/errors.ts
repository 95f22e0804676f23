import { ExpectedError } from '../text/expected-error.ts'

/** The store's errors: code, name and message, as etcd's v2 API numbers and words them. */
const ERRORS = {
  100: ['KEYNOTFOUND', 'Key not found'],
  101: ['TESTFAILED', 'Compare failed'],
  102: ['NOTFILE', 'Not a file'],
  104: ['NOTDIR', 'Not a directory'],
  105: ['NODEEXIST', 'Key already exists'],
  107: ['ROOTRONLY', 'Root is read only'],
  108: ['DIRNOTEMPTY', 'Directory not empty'],
  401: ['EVENTINDEXCLEARED', 'The event in requested index is outdated and cleared'],
} as const

export type ErrorCode = keyof typeof ERRORS
export type ErrorName = (typeof ERRORS)[ErrorCode][0]

/** An operation that the state of the tree does not allow. */
export class StoreError extends ExpectedError {
  readonly code: ErrorCode
  /** The offending path, or the values that did not compare equal. */
  override readonly cause: string
  /** The store's index when the operation failed. */
  readonly index: number

  constructor(code: ErrorCode, cause: string, index: number) {
    super(`${ERRORS[code][1]} (${cause})`)
    this.code = code
    this.cause = cause
    this.index = index
  }

  /** The error's name on the wire, for example `KEYNOTFOUND`. */
  override get name(): ErrorName {
    return ERRORS[this.code][0]
  }

  /** The error as a reply: `KEYNOTFOUND 100 Key not found (/nope) [12]`. */
  toReply(): string {
    return `${this.name} ${this.code} ${this.message} [${this.index}]`
  }
}

/** A path that is too long or too deep. */
export class PathError extends ExpectedError {
  override readonly name = 'PathError'
}

/** A saved state that cannot be loaded; the store stays as it was. */
export class SnapshotError extends ExpectedError {
  override readonly name = 'SnapshotError'
}

/** A write that would raise the index too far. */
export class IndexError extends ExpectedError {
  override readonly name = 'IndexError'

  constructor(index: number) {
    super(
      `the index ${index} is as high as it may be: only KRECOVER of a state with a lower one helps`,
    )
  }
}
