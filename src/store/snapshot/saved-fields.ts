import { SnapshotError } from '../errors.ts'
import { fromBase64, textToBytes } from '../text.ts'
import { MAX_EXPIRE_TIME } from '../tree/ttl-heap.ts'
import { toValue, type Value } from '../value.ts'
import type { Fields } from './json-reader.ts'

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/
/** Go's zero time, which means that there is no expiry. */
export const ZERO_TIME = Date.parse('0001-01-01T00:00:00Z')

/** Says in a state that ktree has written it: its root is the clients' root, whatever stands below. */
export const WRITER = 'ktree'

/** A path as a one-byte string; undefined if there is none. */
export function pathField(saved: Fields): string | undefined {
  if (typeof saved.Path !== 'string') return undefined
  return saved.pathEncoding === 'base64' ? fromBase64(saved.Path) : textToBytes(saved.Path)
}

/** @throws SnapshotError if it is none */
export function valueField(value: unknown, encoding: unknown, at: string): Value {
  if (typeof value !== 'string') throw new SnapshotError(`${at}: its value is ${show(value)}`)
  return toValue(encoding === 'base64' ? fromBase64(value) : textToBytes(value))
}

/** Unix milliseconds, or undefined for a permanent node. Go writes up to nine decimals. */
export function expiry(time: unknown, at: string): number | undefined {
  if (time === undefined || time === null) return undefined
  const ms = typeof time === 'string' && TIME.test(time) ? Date.parse(time) : Number.NaN
  if (!(ms >= ZERO_TIME && ms <= MAX_EXPIRE_TIME)) {
    throw new SnapshotError(`${at}: its expiry is ${show(time)}`)
  }
  return ms === ZERO_TIME ? undefined : ms
}

/** @throws SnapshotError if it is no object */
export function asFields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SnapshotError(`${what} is ${show(value)}, expected an object`)
  }
  return value as Fields
}

/** @throws SnapshotError if it is no whole number from 0 to `max` */
export function asIndex(value: unknown, what: string, max: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max) {
    return value
  }
  throw new SnapshotError(`${what} is ${show(value)}, expected a whole number up to ${max}`)
}

/** A value for an error message: always short, even if the value is long or deep. */
export function show(value: unknown): string {
  if (value === undefined) return 'missing'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value === 'string' && value.length > 60)
    return `${JSON.stringify(value.slice(0, 60))}...`
  return JSON.stringify(value)
}
