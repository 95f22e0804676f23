import { ExpectedError } from '../text/expected-error.ts'

/** What can be wrong with a rule of a user, in Redis's words. */
const REASONS = {
  unknown: 'Unknown command or category name in ACL',
  syntax: 'Syntax error',
  allKeys:
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns",
  allChannels:
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels",
  noPassword: 'The password you are trying to remove from the user does not exist',
  hash: 'The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters',
  long: 'The pattern is longer than a key or a channel can be',
  firstArgument: 'Allowing first-arg of a subcommand is not supported',
} as const

/** A rule that cannot be taken. */
export class RuleError extends ExpectedError {
  override readonly name = 'RuleError'
  readonly kind: keyof typeof REASONS

  constructor(kind: keyof typeof REASONS) {
    super(REASONS[kind])
    this.kind = kind
  }
}
