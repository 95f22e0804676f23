import { shortened } from '../text/shortened.ts'
import type { AuditEvent, AuditedClient, AuditedFacts } from './audit-event.ts'

/** So many different events of one EXEC have lines of their own. */
const MAX_LINES = 100
/** The most keys, channels or names that a line tells of. */
export const MAX_NAMES = 32
/** What a client of few rights can do half a million times in one EXEC, in little time. */
const FREQUENT: readonly AuditEvent[] = ['denied', 'login-failed', 'login', 'flush']

type Write = (event: AuditEvent, client: AuditedClient, facts: AuditedFacts) => void

/** Events whose lines would be the same. */
interface Alike {
  readonly event: AuditEvent
  readonly client: AuditedClient
  readonly facts: AuditedFacts
  /** Those that have no line yet. */
  count: number
}

/**
 * What one EXEC brings about. A line takes ten times as long as the request that it tells of, because it is on the disk
 * before the next request runs. The first event of those that are alike has its line at once. A line at the end counts
 * the others.
 */
export class ExecLines {
  readonly #write: Write
  readonly #alike = new Map<string, Alike>()
  /** Events that are like none of those, by whose they are. */
  readonly #others = new Map<string, Alike>()

  /** @param write writes a line */
  constructor(write: Write) {
    this.#write = write
  }

  add(event: AuditEvent, { id, address, user }: AuditedClient, facts: AuditedFacts): void {
    // The EXEC may go on as another user.
    const client = { id, address, user }
    const name = FREQUENT.includes(event) ? nameOf(event, user.name, facts) : undefined
    const known = name === undefined ? undefined : this.#alike.get(name)
    if (known !== undefined) {
      known.count++
    } else if (name !== undefined && this.#alike.size === MAX_LINES) {
      this.#addOther(event, client)
    } else {
      if (name !== undefined) this.#alike.set(name, { event, client, facts, count: 0 })
      this.#write(event, client, facts)
    }
  }

  #addOther(event: AuditEvent, client: AuditedClient): void {
    const name = nameOf(event, client.user.name, {})
    const known = this.#others.get(name)
    if (known !== undefined) known.count++
    else this.#others.set(name, { event, client, facts: {}, count: 1 })
  }

  /** Writes how many events have no line. */
  end(): void {
    for (const all of [this.#alike, this.#others]) {
      for (const { event, client, facts, count } of all.values()) {
        if (count > 0) this.#write(event, client, { ...facts, count })
      }
    }
  }
}

/** A text that two events share if their lines would be the same. */
function nameOf(event: AuditEvent, user: string, facts: AuditedFacts): string {
  const { command, reason, as = '', keys = [], channels = [] } = facts
  const lists = [keys, channels].map((all) => [
    all.length,
    all.slice(0, MAX_NAMES).map((name) => shortened(name)),
  ])
  return JSON.stringify([event, user, command, reason, shortened(as), lists])
}
