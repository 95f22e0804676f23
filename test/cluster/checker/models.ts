import type { Model } from './linearizable.ts'

export type RegisterInput =
  | { kind: 'read' }
  | { kind: 'write'; value: string }
  | { kind: 'swap'; from: string; to: string }

/** A read's value; whether a swap was made; anything for a write. */
export type RegisterOutput = string | boolean | null

/** A key that is read, written, and swapped if it has a value. An absent key is `null`. */
export const register: Model<RegisterInput, RegisterOutput> = {
  start: 'null',
  step(state, input, output) {
    if (input.kind === 'write') return JSON.stringify(input.value)
    if (input.kind === 'read') {
      return output === undefined || JSON.stringify(output) === state ? state : undefined
    }
    const fits = JSON.stringify(input.from) === state
    if (output !== undefined && output !== fits) return undefined
    return fits ? JSON.stringify(input.to) : state
  },
}

export type BankInput = { kind: 'read' } | { kind: 'transfer'; by: readonly number[] }

/** Accounts, by number: all are read at once, and a transfer changes all that it changes at once. */
export function bank(balances: readonly number[]): Model<BankInput, readonly number[] | true> {
  return {
    start: JSON.stringify(balances),
    step(state, input, output) {
      if (input.kind === 'read') {
        return output === undefined || JSON.stringify(output) === state ? state : undefined
      }
      const accounts = JSON.parse(state) as number[]
      return JSON.stringify(accounts.map((balance, i) => balance + input.by[i]))
    },
  }
}

/** A lock that a client has got, and perhaps given back. */
export interface Hold {
  /** When it was asked for, and given. */
  readonly call: number
  readonly end: number
  /** The index of the lock's node: later holders have higher ones. */
  readonly index: number
  /** When the client began to give it back; never if it did not. */
  readonly release: number
}

/** @returns what is wrong with the holders of a lock that lasts for `ttl` milliseconds */
export function faultsOfLock(holds: readonly Hold[], ttl: number): string[] {
  const faults: string[] = []
  const ordered = holds.toSorted((a, b) => a.index - b.index)
  for (let i = 1; i < ordered.length; i++) {
    const [first, second] = [ordered[i - 1], ordered[i]]
    if (second.index === first.index) faults.push(`two holders at index ${first.index}`)
    if (second.end < first.call)
      faults.push(`index ${second.index} was given before ${first.index}`)
    // The first holder had it from its call on at the earliest.
    const until = Math.min(first.release, first.call + ttl)
    if (second.end < until)
      faults.push(`index ${second.index} was given while ${first.index} held it`)
  }
  return faults
}
