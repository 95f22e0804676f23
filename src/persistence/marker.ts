import { existsSync } from 'node:fs'
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { DamagedDataError } from './errors.ts'
import { assertKnownFormat, FORMAT } from './format.ts'

/**
 * A small file beside LevelDB's own. It records that there was a tree here, and how far it had come
 * when a server last started or ended, because a database that has lost its end looks whole to
 * LevelDB.
 */
const NAME = 'KTREE'

export function hasMarker(location: string): boolean {
  return existsSync(join(location, NAME))
}

/** The content of the marker. */
export interface Marker {
  /** Checkpoints up to this one are on the disk; 0 if that is unknown. */
  readonly batch: number
  /** Whether every acknowledged write is on the disk, even if the server ends at this moment. */
  readonly exact: boolean
  /** The run of the machine in which only a power cut loses something; empty if any end does. */
  readonly boot: string
}

/** Replaces the marker. */
export async function writeMarker(location: string, marker: Marker): Promise<void> {
  const path = join(location, NAME)
  const fresh = `${path}.new`
  const file = await open(fresh, 'w')
  try {
    await file.writeFile(`${JSON.stringify({ format: FORMAT, ...marker })}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(fresh, path)
}

/** @throws PersistenceError if a newer ktree has written it */
export async function readMarker(location: string): Promise<Marker> {
  if (!hasMarker(location)) return { batch: 0, exact: false, boot: '' }
  let marker: { format?: unknown; batch?: unknown; exact?: unknown; boot?: unknown }
  try {
    marker = JSON.parse(await readFile(join(location, NAME), 'utf8'))
  } catch {
    throw new DamagedDataError(`the file ${NAME} is not readable`)
  }
  if (typeof marker.format !== 'number' || typeof marker.batch !== 'number') {
    throw new DamagedDataError(`the file ${NAME} is not readable`)
  }
  assertKnownFormat(marker.format)
  const boot = typeof marker.boot === 'string' ? marker.boot : ''
  return { batch: marker.batch, exact: marker.exact === true, boot }
}
