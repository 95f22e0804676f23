import { Redis } from 'ioredis'
import { SeededRandom } from '../../persistence/seeded-random.ts'
import { History, TestClient } from './clients.ts'
import { isLinearizable } from './linearizable.ts'
import { bank, faultsOfLock, register } from './models.ts'
import type { ProcessGroup } from './process-group.ts'

const ACCOUNTS = 3
const BALANCE = 1000
const REGISTERS = 6
const LOCK_TTL_MS = 500

export interface Trial {
  readonly group: ProcessGroup
  readonly seed: number
  readonly clients: number
  /**
   * Makes trouble while the clients run; they are stopped when it resolves.
   *
   * @param progress resolves when so many further operations have been told their outcome
   */
  faults(
    group: ProcessGroup,
    progress: (operations: number) => Promise<void>,
    random: SeededRandom,
  ): Promise<void>
}

export interface Verdict {
  /** What is wrong; empty if nothing is. */
  readonly faults: readonly string[]
  readonly known: number
  readonly refused: number
  readonly unknown: number
}

/** Lets clients use a group while it is in trouble, and judges what they were told. */
export async function runTrial({ group, seed, clients, faults }: Trial): Promise<Verdict> {
  const ports = group.nodes.map(({ port }) => port)
  const first = new Redis({ port: ports[0], host: '127.0.0.1' })
  const balances = Array.from({ length: ACCOUNTS }, () => BALANCE)
  await insist(() => first.call('FLUSHALL'))
  await insist(() => first.mset(balances.flatMap((balance, i) => [`account${i}`, String(balance)])))
  for (const port of ports.slice(1)) await syncAt(port)
  first.disconnect()
  const history = new History()
  const running = Array.from({ length: clients }, (_, id) => {
    const random = new SeededRandom(seed * 1000 + id)
    const shared = { accounts: ACCOUNTS, registers: REGISTERS, ttl: LOCK_TTL_MS }
    return new TestClient({ ports, random, history, id, ...shared })
  })
  const ended = running.map((client) => client.run())
  try {
    await faults(group, (count) => history.grows(count), new SeededRandom(seed))
  } finally {
    for (const client of running) client.stop()
    await group.mend()
    await Promise.all(ended)
  }
  const found = await differences(ports)
  found.push(...judge(history, balances))
  return { faults: found, ...history.counts }
}

function judge(history: History, balances: readonly number[]): string[] {
  const faults = faultsOfLock(history.holds, LOCK_TTL_MS)
  for (const [key, operations] of history.registers) {
    if (!isLinearizable(register, operations)) faults.push(`${key} is not linearizable`)
  }
  if (!isLinearizable(bank(balances), history.bank)) faults.push('the bank is not linearizable')
  return faults
}

/** @returns what differs between the nodes at one index, once all have all */
export async function differences(ports: readonly number[]): Promise<string[]> {
  for (;;) {
    for (const port of ports) await syncAt(port)
    const states = await Promise.all(ports.map(stateOf))
    // A lock may expire in between.
    if (new Set(states.map(indexOf)).size > 1) continue
    const other = states.find((state) => state !== states[0])
    if (other === undefined) return []
    const at = [...states[0]].findIndex((character, i) => character !== other[i])
    const [a, b] = [states[0], other].map((state) => state.slice(at - 50, at + 100))
    return [`the nodes have different states: ${a} and ${b}`]
  }
}

const indexOf = (state: string): string | undefined => /"CurrentIndex":(\d+)/.exec(state)?.[1]

/** Calls until it is done: a node that has been mended may not have reached etcd again. */
export async function insist(call: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await call()
      return
    } catch (error) {
      if (!/^(?:CLUSTERDOWN|UNCERTAIN) /.test((error as Error).message)) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function syncAt(port: number): Promise<void> {
  const redis = new Redis({ port, host: '127.0.0.1' })
  redis.on('error', () => {})
  await insist(() => redis.call('KSYNC'))
  redis.disconnect()
}

async function stateOf(port: number): Promise<string> {
  const redis = new Redis({ port, host: '127.0.0.1' })
  redis.on('error', () => {})
  const state = String(await redis.call('KSAVE'))
  redis.disconnect()
  return state
}
