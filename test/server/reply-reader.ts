/** An error reply: its text without the leading `-`. */
export class ErrorReply {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** A RESP3 push frame. */
export class Push {
  readonly items: readonly Reply[]

  constructor(items: readonly Reply[]) {
    this.items = items
  }
}

/** Simple strings and bulk strings are strings; a RESP3 map is the flat array that RESP2 sends. */
export type Reply = string | number | boolean | null | ErrorReply | Push | readonly Reply[]

/** An array, map, set or push whose items have not all been read. */
interface OpenReply {
  readonly isPush: boolean
  readonly items: Reply[]
  missing: number
}

/** Reads replies from bytes that come in any pieces. Each byte is read once, however long a reply is. */
export class ReplyReader {
  /** What is being read: `#begin` is where its first unread reply begins, `#at` how far that one is read. */
  #text = ''
  #begin = 0
  #at = 0
  /** The bytes before `#text` of the reply that is being read. */
  readonly #before: string[] = []
  /** What has come since, and is joined to `#text` once, when enough has come. */
  readonly #later: string[] = []
  #laterLength = 0
  /** How many more bytes it takes at least to read on. */
  #needed = 0
  readonly #open: OpenReply[] = []

  add(bytes: string): void {
    this.#later.push(bytes)
    this.#laterLength += bytes.length
  }

  /** Everything received and not yet returned as a reply. */
  get unread(): string {
    return [...this.#before, this.#text.slice(this.#begin), ...this.#later].join('')
  }

  clear(): void {
    this.#text = ''
    this.#begin = this.#at = this.#laterLength = this.#needed = 0
    this.#before.length = this.#later.length = this.#open.length = 0
  }

  /** The next reply or message; undefined if it has not come as a whole. */
  next(): Reply | undefined {
    for (;;) {
      const item = this.#nextItem()
      if (item !== undefined) {
        const reply = this.#close(item)
        if (reply === undefined) continue
        this.#before.length = 0
        this.#begin = this.#at
        return reply
      }
      if (this.#laterLength === 0 || this.#laterLength < this.#needed) return undefined
      this.#joinLater()
    }
  }

  #joinLater(): void {
    if (this.#at > this.#begin) this.#before.push(this.#text.slice(this.#begin, this.#at))
    this.#text = this.#text.slice(this.#at) + this.#later.join('')
    this.#begin = this.#at = this.#laterLength = this.#needed = 0
    this.#later.length = 0
  }

  /** A reply that has no items, or the beginning of one that has; undefined if more bytes are needed. */
  #nextItem(): Reply | OpenReply | undefined {
    if (this.#needed > 0) return undefined
    const text = this.#text
    const lineEnd = text.indexOf('\r\n', this.#at)
    if (lineEnd < 0) {
      this.#needed = 1
      return undefined
    }
    const type = text[this.#at]
    const line = text.slice(this.#at + 1, lineEnd)
    const begin = lineEnd + 2
    const length = Number(line)
    if (type === '$' || type === '=') {
      const end = length < 0 ? begin : begin + length + 2
      if (end > text.length) {
        this.#needed = end - text.length
        return undefined
      }
      this.#at = end
      return length < 0 ? null : text.slice(begin, end - 2)
    }
    this.#at = begin
    switch (type) {
      case '+':
        return line
      case '-':
        return new ErrorReply(line)
      case ':':
        return length
      case '#':
        return line === 't'
      case '_':
        return null
      case '*':
      case '~':
      case '>':
      case '%':
        if (length < 0) return null
        return { isPush: type === '>', items: [], missing: type === '%' ? 2 * length : length }
      default:
        throw new Error(
          `not RESP: ${JSON.stringify(text.slice(lineEnd - line.length - 1).slice(0, 80))}`,
        )
    }
  }

  /** Puts an item where it belongs. @returns the whole reply, if this was its last item */
  #close(item: Reply | OpenReply): Reply | undefined {
    if (isOpen(item)) {
      this.#open.push(item)
    } else {
      const parent = this.#open.at(-1)
      if (parent === undefined) return item
      parent.items.push(item)
      parent.missing--
    }
    for (let last = this.#open.at(-1); last?.missing === 0; last = this.#open.at(-1)) {
      this.#open.pop()
      const reply = last.isPush ? new Push(last.items) : last.items
      const parent = this.#open.at(-1)
      if (parent === undefined) return reply
      parent.items.push(reply)
      parent.missing--
    }
    return undefined
  }
}

function isOpen(item: Reply | OpenReply): item is OpenReply {
  return typeof item === 'object' && item !== null && 'missing' in item
}
