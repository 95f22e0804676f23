import { CommandError } from './arguments/errors.ts'
import type { Denial } from './denial.ts'
import { denialText } from './denial-text.ts'

/** The refusal of a request that its user may not make. */
export class DeniedError extends CommandError {
  readonly denial: Denial

  /** @param fullName the command's */
  constructor(denial: Denial, fullName: string) {
    super(denialText(denial, fullName))
    this.denial = denial
  }
}
