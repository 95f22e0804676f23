import { silentClient } from '../log/apply.ts'
import type { Client, ServerContext } from '../request/client.ts'

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * Runs the writes of clients in their place: the reply is the client's, all else is the same at every
 * node, so that what comes out depends on the entry and the store alone.
 */
export class StandIn {
  readonly #client: Writable<Client>
  readonly #silent: Client

  /** @param server what commands see of it must be the same at every node */
  constructor(server: ServerContext) {
    this.#silent = silentClient(server)
    this.#client = { ...this.#silent, executing: false }
  }

  /**
   * The stand-in of a client, until the next call. It has the client's user, who decides what an error
   * tells and whom the audit log names; what the user may not do is no entry.
   */
  of(client: Client): Client {
    const stand = this.#client
    stand.reply = client.reply
    stand.id = client.id
    stand.address = client.address
    stand.isUnixSocket = client.isUnixSocket
    stand.isLocal = client.isLocal
    stand.name = client.name
    stand.user = client.user
    stand.replyMode = client.replyMode
    stand.disconnect = (reason) => client.disconnect(reason)
    stand.fail = (error) => client.fail(error)
    return stand
  }

  /** Forgets the client. */
  release(): void {
    const { reply, user, disconnect, fail } = this.#silent
    Object.assign(this.#client, { reply, user, disconnect, fail })
  }
}
