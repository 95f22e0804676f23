import { onTestFinished } from 'vitest'
import { Journal, type JournalOptions } from '../../src/log/journal.ts'
import type { TornEnd } from '../../src/log/journal-reader.ts'
import { MemoryDisk } from './memory-disk.ts'

export interface Opened {
  readonly journal: Journal
  /** The payloads that were applied. */
  readonly payloads: Buffer[]
  /** The positions after them. */
  readonly ends: number[]
  readonly torn: TornEnd | undefined
}

/** Opens a journal and keeps all that it applies. */
export async function openJournal(
  directory: string,
  options: Partial<JournalOptions> = {},
): Promise<Opened> {
  const payloads: Buffer[] = []
  const ends: number[] = []
  let torn: TornEnd | undefined
  const journal = await Journal.open(directory, {
    apply: ({ payload, end }) => {
      payloads.push(Buffer.from(payload))
      ends.push(end)
    },
    onTorn: (found) => {
      torn = found
    },
    ...options,
  })
  // A segment may be in the making, which the removal of the directory must not meet.
  if (!(options.files instanceof MemoryDisk)) onTestFinished(() => journal.close())
  return { journal, payloads, ends, torn }
}

/** A payload without zeros, which differs in every byte from those with the next 254 numbers. */
export function payloadOf(number: number, length: number): Buffer {
  const pattern = Buffer.from(
    Array.from({ length: 251 }, (_, i) => ((number * 31 + i * 7) % 255) + 1),
  )
  return Buffer.alloc(length, pattern)
}
