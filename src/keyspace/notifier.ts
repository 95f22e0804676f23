import { parseEventFlags } from '../config/event-flags.ts'
import type { PatternWork } from '../pubsub/pattern-work.ts'
import type { Subscriptions } from '../pubsub/subscriptions.ts'
import type { Event } from '../store/event.ts'
import { cleanPath } from '../store/path.ts'
import type { Store } from '../store/store.ts'
import { type KeyspaceEvent, keyspaceEvents } from './events.ts'
import { keyOfPath, pathOfKey } from './key.ts'

const KEYSPACE = '__keyspace@0__:'
const KEYEVENT = '__keyevent@0__:'

interface NewKeyWork {
  /** At the channel of the key, and, for keys below it, those that go on with their names. */
  atKey?: PatternWork | undefined
  /** At the channel of the event. */
  atEvent?: PatternWork | undefined
}

/**
 * Publishes keyspace notifications, as Redis does: the event's name on `__keyspace@0__:key`, and the
 * key on `__keyevent@0__:event`. Exists only while `notify-keyspace-events` has letters.
 */
export class KeyspaceNotifier {
  readonly #pubsub: Subscriptions
  readonly #flags: ReadonlySet<string>
  readonly #endStoreEvents: (() => void) | undefined

  /** @param flags the directive's letters */
  constructor(store: Store, pubsub: Subscriptions, flags: string) {
    this.#pubsub = pubsub
    this.#flags = parseEventFlags(flags)
    // Only the store knows when a key expires or is new.
    if (this.#flags.has('x') || this.#flags.has('n')) {
      this.#endStoreEvents = store.hub.addEverywhere((event) => this.#onStoreEvent(event))
    }
  }

  /** Publishes an event, if its class is switched on. @param key the key as a client wrote it */
  notify(event: KeyspaceEvent, key: string): void {
    if (this.#flags.has(keyspaceEvents[event])) {
      this.#publish(event, cleanPath(pathOfKey(key)))
    }
  }

  /** How many messages tell that a key is new. */
  get messagesOfNew(): number {
    if (!this.#flags.has('n')) return 0
    return Number(this.#flags.has('K')) + Number(this.#flags.has('E'))
  }

  /**
   * What it costs to publish that keys are new, at a path and below it.
   *
   * @param path clean
   */
  newKeyWork(path: string): NewKeyWork {
    if (!this.#flags.has('n')) return {}
    return {
      atKey: this.#flags.has('K') ? this.#workAt(`${KEYSPACE}${keyOfPath(path)}`) : undefined,
      atEvent: this.#flags.has('E') ? this.#workAt(`${KEYEVENT}new`) : undefined,
    }
  }

  #workAt(channel: string): PatternWork | undefined {
    return this.#pubsub.channelWorkAt(channel)
  }

  /** Stops listening to the store. */
  close(): void {
    this.#endStoreEvents?.()
  }

  #onStoreEvent({ action, node, prevNode }: Event): void {
    if (action === 'expire') {
      if (this.#flags.has('x')) this.#publish('expired', node.key)
    } else if (prevNode === undefined && !node.dir && this.#flags.has('n')) {
      this.#publish('new', node.key)
    }
  }

  #publish(event: KeyspaceEvent, path: string): void {
    const key = keyOfPath(path)
    if (this.#flags.has('K')) this.#pubsub.notify(`${KEYSPACE}${key}`, event, path)
    if (this.#flags.has('E')) this.#pubsub.notify(`${KEYEVENT}${event}`, key, path)
  }
}
