import { createHash } from 'node:crypto'
import { Pace } from '../persistence/pace.ts'
import { bytesOf, type Value } from '../store/value.ts'

/** Names a state by all of its bytes. @param pieces of the state */
export async function digestOf(pieces: Iterable<Value>): Promise<Buffer> {
  const hash = createHash('sha256')
  const pace = new Pace()
  let end = pace.nextEnd(true)
  for (const piece of pieces) {
    hash.update(bytesOf(piece))
    if (performance.now() < end) continue
    await pace.serveClients(true)
    end = pace.nextEnd(true)
  }
  return hash.digest()
}
