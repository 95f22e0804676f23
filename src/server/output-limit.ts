import type { OutputLimit } from '../config/config.ts'

/**
 * Checks what one turn brings a client, however fast it reads (Redis sends nothing before a request has ended).
 *
 * @param bytes written in this turn
 * @returns the reason to disconnect the client, or undefined
 */
export function checkTurn(bytes: number, { hard }: OutputLimit): string | undefined {
  if (hard === 0 || bytes <= hard) return undefined
  return `the messages that came at one go, ${bytes} bytes, are over the hard limit of ${hard}`
}

/** Watches one connection's unread output against `client-output-buffer-limit`. */
export class OutputLimitGuard {
  /** Since when the soft limit has been exceeded, on the scale of `Clock.elapsed`. */
  #overSince: number | undefined

  /** Whether the last check found the soft limit exceeded. */
  get isOver(): boolean {
    return this.#overSince !== undefined
  }

  /**
   * Checks both limits: the hard one at once, the soft one over its seconds (Redis).
   *
   * @param unread bytes written and not yet sent
   * @param now on the scale of `Clock.elapsed`
   * @returns the reason to disconnect the client, or undefined
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
