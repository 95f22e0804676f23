import type { User } from '../access/user.ts'

/** The connected clients of each user, so that a change of one user does not look at all clients. */
export class ClientsByUser<Client extends { user: User }> {
  readonly #clients = new Map<User, Set<Client>>()

  /** Of one user, in no order. */
  of(user: User): Iterable<Client> {
    return this.#clients.get(user) ?? []
  }

  add(client: Client): void {
    const known = this.#clients.get(client.user)
    if (known === undefined) this.#clients.set(client.user, new Set([client]))
    else known.add(client)
  }

  /** @returns whether it was there */
  remove(client: Client): boolean {
    const known = this.#clients.get(client.user)
    if (known?.delete(client) !== true) return false
    if (known.size === 0) this.#clients.delete(client.user)
    return true
  }

  /** Gives a client another user. One that has left stays away, though its EXEC may still run. */
  move(client: Client, user: User): void {
    const connected = this.remove(client)
    client.user = user
    if (connected) this.add(client)
  }
}
