import type { Denial } from './denial.ts'

const PREFIX = 'NOPERM this user has no permissions to'
const BELOW = `${PREFIX} access all that is below one of the keys used as arguments`
const EVERYTHING = `${PREFIX} access all keys`

/** The error reply to a request that its user may not make. @param fullName the command's */
export function denialText(denial: Denial, fullName: string): string {
  if (denial.below) return denial.at === 0 ? EVERYTHING : BELOW
  if (denial.kind === 'command') return `${PREFIX} run the '${fullName}' command`
  return `${PREFIX} access one of the ${denial.kind}s used as arguments`
}

const LATE_PREFIX =
  'NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason:'
const LATE = {
  command: `${LATE_PREFIX} no permission to execute the command or subcommand`,
  key: `${LATE_PREFIX} no permission to touch the specified keys`,
  channel: `${LATE_PREFIX} no permission to access one of the channels used as arguments`,
} as const

/** The error reply to a request that was allowed when it was queued, and is not when it is to run. */
export function lateDenialText(denial: Denial): string {
  // What is below a key is a matter of the tree as well, not of the rules only.
  return denial.below ? denialText(denial, '') : LATE[denial.kind]
}

/**
 * What ACL DRYRUN says.
 *
 * @param args the request, the command's name first
 */
export function dryRunText(denial: Denial, fullName: string, args: readonly string[]): string {
  const start = 'This user has no permissions to'
  if (denial.kind === 'command') return `${start} run the '${fullName}' command`
  if (denial.below && denial.at === 0) return `${start} access all keys`
  if (denial.below) return `${start} access all that is below the '${args[denial.at]}' key`
  return `${start} access the '${args[denial.at]}' ${denial.kind}`
}
