import { closeSync, openSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'

/** The source of secure random bytes on all systems except Windows. */
const DEVICE = '/dev/urandom'

function readDevice(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  const device = openSync(DEVICE, 'r')
  try {
    if (readSync(device, bytes) !== length) throw new Error(`${DEVICE} has ended`)
  } finally {
    closeSync(device)
  }
  return bytes
}

/** Secure random bytes. They are read from the device, because node:crypto is slow to load. */
export function randomBytes(length: number): Buffer {
  try {
    return readDevice(length)
  } catch {
    const require = createRequire(import.meta.url)
    return (require('node:crypto') as typeof import('node:crypto')).randomBytes(length)
  }
}
