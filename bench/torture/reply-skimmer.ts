const LF = 10
const MAX_LINE = 160
/** A bulk up to this length may be the mark that ends what is skimmed. */
const MAX_MARK = 64

/** Reads replies of RESP2 and RESP3 of any size and keeps nothing of them. */
export class ReplySkimmer {
  bytes = 0
  /** Whole replies. */
  replies = 0
  /** Error replies, those inside of arrays included. */
  errors = 0
  firstError = ''
  readonly #onReply: (lastBulk: string) => void
  #line = ''
  /** Bytes of a bulk that are still to come, its line break included. */
  #skip = 0
  /** How many elements each open array still lacks, outermost first. */
  readonly #open: number[] = []
  #bulk = ''

  /** @param onReply called after each whole reply with the last short bulk in it */
  constructor(onReply: (lastBulk: string) => void) {
    this.#onReply = onReply
  }

  /** Whether a reply has begun that has not ended. */
  get inReply(): boolean {
    return this.#line !== '' || this.#skip > 0 || this.#open.length > 0
  }

  feed(chunk: Buffer): void {
    this.bytes += chunk.length
    let at = 0
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const taken = Math.min(this.#skip, chunk.length - at)
        if (this.#skip <= MAX_MARK + 2) this.#bulk += chunk.toString('latin1', at, at + taken)
        this.#skip -= taken
        at += taken
        if (this.#skip === 0) this.#end()
        continue
      }
      const end = chunk.indexOf(LF, at)
      const to = end === -1 ? chunk.length : end
      if (this.#line.length < MAX_LINE) {
        this.#line += chunk.toString('latin1', at, Math.min(to, at + MAX_LINE - this.#line.length))
      }
      at = to + 1
      if (end === -1) return
      const line = this.#line
      this.#line = ''
      this.#read(line)
    }
  }

  #read(line: string): void {
    const count = Number.parseInt(line.slice(1), 10)
    switch (line[0]) {
      case '$':
      case '=':
      case '!':
        if (count < 0) break
        this.#bulk = ''
        this.#skip = count + 2
        return
      case '%':
        if (count <= 0) break
        this.#open.push(2 * count)
        return
      case '*':
      case '~':
      case '>':
        if (count <= 0) break
        this.#open.push(count)
        return
      case '-':
        this.errors++
        if (this.firstError === '') this.firstError = line.slice(1).trimEnd()
    }
    this.#end()
  }

  #end(): void {
    while (this.#open.length > 0) {
      const last = this.#open.length - 1
      if (--this.#open[last] > 0) return
      this.#open.pop()
    }
    this.replies++
    this.#onReply(this.#bulk.trimEnd())
  }
}
