import type { OutputLimit } from '../config/config.ts'

/** Watches one connection's unread output against `client-output-buffer-limit`. */
export class OutputLimitGuard {
  /** Since when the soft limit has been exceeded, in Unix milliseconds. */
  #overSince: number | undefined

  /** Whether the soft limit was exceeded when last looked at. */
  get isOver(): boolean {
    return this.#overSince !== undefined
  }

  /**
   * @param unread bytes written and not yet sent
   * @param now Unix milliseconds
   * @returns why the connection has to go, if it has to
   */
  check(unread: number, limit: OutputLimit, now: number): string | undefined {
    if (limit.hard > 0 && unread > limit.hard) {
      return `its unread output of ${unread} bytes is over the hard limit of ${limit.hard}`
    }
    if (limit.soft === 0 || unread <= limit.soft) {
      this.#overSince = undefined
      return undefined
    }
    this.#overSince ??= now
    if (now - this.#overSince <= limit.seconds * 1000) return undefined
    return `its unread output of ${unread} bytes has been over the soft limit of ${limit.soft} for ${limit.seconds} s`
  }
}
