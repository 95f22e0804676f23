import type { Redis } from 'ioredis'
import { expect } from 'vitest'

/** Expects that the nodes of two clients have the same tree, byte for byte. @returns it, as KSAVE writes it */
export async function expectSameState(clients: readonly Redis[]): Promise<string> {
  await Promise.all(clients.map((client) => client.call('KSYNC')))
  const states = await Promise.all(clients.map((client) => client.call('KSAVE')))
  expect(states[1]).toBe(states[0])
  return states[0] as string
}
