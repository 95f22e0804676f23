import { Readable } from 'node:stream'
import { ManualClock } from '../../../src/store/clock.ts'
import { TransferError } from '../../../src/transfer/errors.ts'
import { readInput } from '../../../src/transfer/input.ts'
import { Progress } from '../../../src/transfer/progress.ts'

/** The newest document that etcd has saved, or undefined if there is none or it is incomplete. */
export async function newestSnapshot(dataDir: string): Promise<string | undefined> {
  const silent = new Progress({ write() {} }, new ManualClock())
  try {
    const { document } = await readInput(dataDir, Readable.from([]), silent)
    return document.toString('latin1')
  } catch (error) {
    if (error instanceof TransferError) return undefined
    throw error
  }
}
