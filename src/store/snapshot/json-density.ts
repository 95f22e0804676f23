/*
 * Problem: a document can make JSON.parse create an object for every two or three bytes. 60 MB of `[],`
 * held up all clients for eight seconds and took a gigabyte, only to be refused. So did 3,700 names of fields
 * that V8 finds slowly, because they are longer than any path.
 *
 * Trick: the punctuation is counted, and long names are measured, before anything is made. Every object of a
 * saved state has a few fields with long names, so that no true state comes near these limits.
 *
 * Price: a pass over the document, which skips strings: about a tenth of the time of JSON.parse.
 * Can be deleted once nothing of the document is given to JSON.parse whole: its history of events still is.
 */
import { SnapshotError } from '../errors.ts'
import { MAX_PATH_DEPTH, MAX_PATH_LENGTH } from '../path.ts'
import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
} from './json-bytes.ts'
import { stringEnd } from './json-reader.ts'

/** Objects and arrays take at least this many bytes each, on average. */
const MIN_CONTAINER_BYTES = 32
/** Values take at least this many bytes each, on average; with a name they take even more. */
const MIN_VALUE_BYTES = 8
/** Objects have at most this many fields each, on average. A child of a directory is an object, too. */
const MAX_FIELDS = 12
/**
 * Containers, values and fields allowed on top of these limits: for the thousand empty places in etcd's
 * queue of events, and for small documents, whose errors then say what is wrong with them.
 */
const SLACK = 2000
/** A directory is an object in an object. */
const MAX_DEPTH = 2 * MAX_PATH_DEPTH + 16

const LETTER_U = 117

/**
 * Refuses, before it is parsed, a JSON document that cannot be a saved state.
 *
 * @throws SnapshotError
 */
export function checkDensity(json: Uint8Array): void {
  const { length } = json
  let containers = 0
  let commas = 0
  let colons = 0
  let depth = 0
  // Of the last string.
  let start = 0
  let end = 0
  for (let at = 0; at < length; at++) {
    switch (json[at]) {
      case QUOTE:
        start = at
        at = end = stringEnd(json, at)
        break
      case COMMA:
        commas++
        break
      case COLON:
        colons++
        if (end - start > MAX_PATH_LENGTH) checkName(json, start + 1, end)
        break
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        containers++
        if (++depth > MAX_DEPTH) throw new SnapshotError('the state is nested too deep')
        break
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth--
        break
    }
  }
  const tooMany =
    containers > SLACK + length / MIN_CONTAINER_BYTES ||
    commas > SLACK + length / MIN_VALUE_BYTES ||
    colons > SLACK + MAX_FIELDS * containers
  if (tooMany) throw new SnapshotError('the state has too many values for its length')
}

/** @throws SnapshotError if a name of a field, between two positions, has more characters than a path */
function checkName(json: Uint8Array, start: number, end: number): void {
  let length = 0
  for (let at = start; at < end; at++) {
    const byte = json[at]
    if (byte === BACKSLASH) at += json[at + 1] === LETTER_U ? 5 : 1
    // A character of several bytes counts once.
    if ((byte & 0xc0) !== 0x80) length++
  }
  if (length > MAX_PATH_LENGTH) {
    throw new SnapshotError('the name of a field in the state is too long')
  }
}
