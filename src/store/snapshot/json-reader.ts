/*
 * Problem: JSON.parse makes an object of each node of a saved state, and keeps all of them until it ends: several
 * times the memory that the tree itself takes, so that a node of a group could not start with what it had saved.
 * For a document that is made for it, V8 makes much more: a class for each object whose fields have other names
 * than those of all others, 17 times the document.
 *
 * Trick: the document is gone through as bytes. Only what has no objects within and no unknown names, such as a
 * file, is given to JSON.parse, which checks it, and its object is gone when the next one is read. What nobody
 * asks for is passed over.
 *
 * Price: each byte is looked at by JavaScript, which takes a fifth more time.
 * Gain: to read a state of a million short keys, 142 MB, a heap of 150 MB suffices, where one of 400 MB did not.
 * Can be deleted by JSON.parse of the whole document.
 */

// The bytes that JSON consists of, outside of its strings and numbers.
const QUOTE = 34
const COMMA = 44
const COLON = 58
const OPEN_ARRAY = 91
const BACKSLASH = 92
const CLOSE_ARRAY = 93
const OPEN_OBJECT = 123
const CLOSE_OBJECT = 125

/** This many bytes of a string are searched one by one. */
const NEAR_BYTES = 64

/** A number with no more digits is exact. */
const MAX_EXACT_DIGITS = 15
const ZERO = 48
const NINE = 57

/** The fields of an object in a saved state, which is yet to be checked. */
export type Fields = Record<string, unknown>

/** The names of the fields of an object that are read; whatever else it has is passed over. */
export class FieldNames {
  readonly #names: ReadonlySet<string>
  /** With the quote behind them, by the first byte. */
  readonly #encoded = new Map<number, { name: string; bytes: Buffer }[]>()

  constructor(names: readonly string[]) {
    this.#names = new Set(names)
    for (const name of names) {
      const encoded = { name, bytes: Buffer.from(`${name}"`) }
      const others = this.#encoded.get(encoded.bytes[0])
      if (others === undefined) this.#encoded.set(encoded.bytes[0], [encoded])
      else others.push(encoded)
    }
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** The one that stands here, as it is, with a quote behind it. */
  find(json: Uint8Array, start: number): string | undefined {
    for (const { name, bytes } of this.#encoded.get(json[start]) ?? NONE) {
      if (isAt(json, start, bytes)) return name
    }
    return undefined
  }
}

const NONE: readonly never[] = []

function isAt(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false
  return true
}

/** Reads a JSON document in UTF-8 from a position on, bit by bit. Methods throw SyntaxError where it is none. */
export class JsonReader {
  readonly #bytes: Buffer
  #at: number
  /** Whether the next field is the first of its object. */
  #isFirst = false

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  /** Where it is: at the next value, or before it. */
  get position(): number {
    return this.#at
  }

  /** Whether the next value is an object. */
  get isObject(): boolean {
    return this.#next() === OPEN_OBJECT
  }

  get isArray(): boolean {
    return this.#next() === OPEN_ARRAY
  }

  /** Begins to read the fields of an object. */
  enter(): void {
    this.#take(OPEN_OBJECT)
    this.#isFirst = true
  }

  /**
   * The name of the next field, whose value has to be read then; undefined after the last one.
   *
   * @param names that are likely: no string is made for one of them
   */
  field(names?: FieldNames): string | undefined {
    const isFirst = this.#isFirst
    this.#isFirst = false
    if (this.#next() === CLOSE_OBJECT) {
      this.#at++
      return undefined
    }
    if (!isFirst) this.#take(COMMA)
    if (this.#next() !== QUOTE) throw this.#unexpected()
    let name = names?.find(this.#bytes, this.#at + 1)
    if (name !== undefined) this.#at += name.length + 2
    else name = this.#plainString() ?? (this.value() as string)
    this.#take(COLON)
    return name
  }

  /** The string here, if each of its bytes stands for itself: most names are read so, without JSON.parse. */
  #plainString(): string | undefined {
    const bytes = this.#bytes
    const start = this.#at + 1
    let at = start
    while (isPlain(bytes[at])) at++
    if (bytes[at] !== QUOTE) return undefined
    this.#at = at + 1
    return bytes.toString('latin1', start, at)
  }

  /** The whole number here, if it is a plain one: most are read so, without JSON.parse. */
  #shortInteger(): number | undefined {
    const bytes = this.#bytes
    let at = this.#at
    let number = 0
    for (; bytes[at] >= ZERO && bytes[at] <= NINE; at++) number = 10 * number + bytes[at] - ZERO
    const digits = at - this.#at
    const isPlain = digits > 0 && digits <= MAX_EXACT_DIGITS && isEnd(bytes[at])
    if (!isPlain || (bytes[this.#at] === ZERO && digits > 1)) return undefined
    this.#at = at
    return number
  }

  /** Begins to read the elements of an array. */
  enterArray(): void {
    this.#take(OPEN_ARRAY)
    this.#isFirst = true
  }

  /** Whether there is another element, which has to be read then. */
  element(): boolean {
    const isFirst = this.#isFirst
    this.#isFirst = false
    if (this.#next() === CLOSE_ARRAY) {
      this.#at++
      return false
    }
    if (!isFirst) this.#take(COMMA)
    return true
  }

  /** The next value. Of an array or an object only that it is one: it is shown empty. */
  value(): unknown {
    const first = this.#next()
    const simple = first === QUOTE ? this.#plainString() : this.#shortInteger()
    if (simple !== undefined) return simple
    const start = this.skip()
    if (this.#bytes[start] === OPEN_ARRAY) return []
    if (this.#bytes[start] === OPEN_OBJECT) return {}
    return JSON.parse(this.#bytes.toString('utf8', start, this.#at))
  }

  /**
   * The next value, which is an object, without the fields that have no name among these.
   *
   * @param nested reads the value of a field that is an object; absent means {@link value}
   */
  object(names: FieldNames, nested?: (name: string) => unknown): Fields {
    const flat = this.flatObject(names)
    if (flat !== undefined) return flat
    const fields: Fields = {}
    this.enter()
    for (let name = this.field(names); name !== undefined; name = this.field(names)) {
      if (!names.has(name)) this.skip()
      else fields[name] = nested !== undefined && this.isObject ? nested(name) : this.value()
    }
    return fields
  }

  /** The next value, if it is an object with nothing but strings, numbers and the like, under these names. */
  flatObject(names: FieldNames): Fields | undefined {
    const bytes = this.#bytes
    if (this.#next() !== OPEN_OBJECT) return undefined
    const start = this.#at
    // Of the last string.
    let opened = start
    for (let at = start + 1; at < bytes.length; at++) {
      const byte = bytes[at]
      if (byte === QUOTE) {
        opened = at
        at = stringEnd(bytes, at)
      } else if (byte === COLON) {
        if (names.find(bytes, opened + 1) === undefined) return undefined
      } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) return undefined
      else if (byte === CLOSE_OBJECT) {
        this.#at = at + 1
        return JSON.parse(bytes.toString('utf8', start, at + 1)) as Fields
      }
    }
    return undefined
  }

  /** Goes over the next value, without a check of what is in it. @returns where it begins */
  skip(): number {
    const bytes = this.#bytes
    const first = this.#next()
    const start = this.#at
    if (first === QUOTE) this.#at = stringEnd(bytes, start) + 1
    else if (first === OPEN_OBJECT || first === OPEN_ARRAY) this.#at = containerEnd(bytes, start)
    else while (this.#at < bytes.length && !isEnd(bytes[this.#at])) this.#at++
    if (this.#at === start || this.#at > bytes.length) throw this.#unexpected()
    return start
  }

  /** To be called after the last value. */
  end(): void {
    if (this.#next() !== undefined) throw this.#unexpected()
  }

  /** The next byte that is no white space; undefined at the end. */
  #next(): number | undefined {
    while (isSpace(this.#bytes[this.#at])) this.#at++
    return this.#bytes[this.#at]
  }

  #take(byte: number): void {
    if (this.#next() !== byte) throw this.#unexpected()
    this.#at++
  }

  #unexpected(): SyntaxError {
    const isOver = this.#at >= this.#bytes.length
    return new SyntaxError(`Unexpected ${isOver ? 'end' : 'byte'} at position ${this.#at}`)
  }
}

/** The value that begins here; undefined if none does. */
export function valueAt(json: Buffer, start: number | undefined): unknown {
  return start === undefined ? undefined : new JsonReader(json, start).value()
}

/**
 * Where the values of some fields of an object begin; none if it is no object.
 *
 * @param start of the object
 */
export function startsIn(
  json: Buffer,
  start: number,
  names: readonly string[],
): Map<string, number> {
  const starts = new Map<string, number>()
  const reader = new JsonReader(json, start)
  if (!reader.isObject) return starts
  reader.enter()
  for (let name = reader.field(); name !== undefined; name = reader.field()) {
    if (names.includes(name)) starts.set(name, reader.position)
    if (starts.size === names.length) break
    reader.skip()
  }
  return starts
}

/** Where the string that begins at a quote ends: at its last quote, or with the document. */
function stringEnd(json: Uint8Array, start: number): number {
  let at = start + 1
  // Most strings are short, and for those this loop takes less time than a call of V8's own search.
  for (const near = Math.min(json.length, at + NEAR_BYTES); at < near; at++) {
    if (json[at] === QUOTE) return at
    if (json[at] === BACKSLASH) at++
  }
  for (;;) {
    const end = json.indexOf(QUOTE, at)
    if (end === -1) return json.length
    let backslashes = 0
    while (end - backslashes > at && json[end - 1 - backslashes] === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return end
    at = end + 1
  }
}

/** Where the object or array that begins at a bracket has ended; beyond the document if it does not. */
function containerEnd(json: Uint8Array, start: number): number {
  let depth = 0
  for (let at = start; at < json.length; at++) {
    const byte = json[at]
    if (byte === QUOTE) at = stringEnd(json, at)
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++
    else if ((byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) && --depth === 0) return at + 1
  }
  return json.length + 1
}

/** Whether a byte is a character of ASCII that needs no escape. */
function isPlain(byte: number): boolean {
  return byte >= 32 && byte < 127 && byte !== QUOTE && byte !== BACKSLASH
}

function isSpace(byte: number): boolean {
  return byte === 32 || byte === 10 || byte === 13 || byte === 9
}

function isEnd(byte: number): boolean {
  return byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY || isSpace(byte)
}
