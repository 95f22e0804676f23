import { parseEventFlags } from '../config/event-flags.ts'
import type { Subscriptions } from '../pubsub/subscriptions.ts'
import type { Event } from '../store/event.ts'
import { cleanPath } from '../store/path.ts'
import type { Store } from '../store/store.ts'
import { type KeyspaceEvent, keyspaceEvents } from './events.ts'
import { keyOfPath, pathOfKey } from './key.ts'

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
    if (this.#flags.has('K')) this.#pubsub.publish(`__keyspace@0__:${key}`, event, path)
    if (this.#flags.has('E')) this.#pubsub.publish(`__keyevent@0__:${event}`, key, path)
  }
}
