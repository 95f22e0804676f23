import { createHash } from 'node:crypto'
import { eachInSlices } from '../persistence/pace.ts'
import { bytesOf, type Value } from '../store/value.ts'

/** Names a state by all of its bytes. @param pieces of the state */
export async function digestOf(pieces: Iterable<Value>): Promise<Buffer> {
  const hash = createHash('sha256')
  await eachInSlices(pieces, (piece) => hash.update(bytesOf(piece)))
  return hash.digest()
}
