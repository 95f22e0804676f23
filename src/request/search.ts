import type { User } from '../access/user.ts'
import { writeInPieces } from '../resp/reply-list.ts'
import type { ReplySource, ReplyWriter } from '../resp/reply-writer.ts'
import type { Shared } from '../resp/shared-memory.ts'
import type { References } from '../store/loose-values.ts'
import type { Client } from './client.ts'

/** A piece compares texts with about this many patterns, which takes about a millisecond. */
const TRIES_PER_PIECE = 8192
/** Comparing a text of this many characters more with a pattern counts as one try more. */
const CHARACTERS_PER_TRY = 64

/** What is looked for among many texts. */
export interface Sought {
  /** As they were when the request came. Null says that looking for the next one takes longer. */
  readonly texts: Iterator<string | null, undefined>
  /** How many patterns each of them is compared with, about. */
  readonly tries: number
  /** The texts, and what is found by the one search that is being sent. */
  readonly shared?: readonly Shared[]
  /** Memory that the search itself takes at this moment, in bytes, about: what it has found so far. */
  weight(): number
  /** What the texts are made of, if it is names of the tree. */
  readonly references?: References
  /** Called with each text. */
  look(text: string): void
  /** Writes the reply. @returns what makes the rest of it, if there is more */
  reply(reply: ReplyWriter): ReplySource | undefined
}

/**
 * Looks through many texts in pieces, while others are served, and then replies: a million keys and
 * twenty patterns take seconds.
 */
export class Search implements ReplySource {
  readonly shared: readonly Shared[] | undefined
  readonly references: References | undefined
  /** Absent when all texts have been looked at. */
  #sought: Sought | undefined
  #rest: ReplySource | undefined

  constructor(sought: Sought) {
    this.#sought = sought
    this.shared = sought.shared
    this.references = sought.references
  }

  get weight(): number {
    return (this.#sought?.weight() ?? 0) + (this.#rest?.weight ?? 0)
  }

  next(reply: ReplyWriter): boolean {
    if (this.#sought !== undefined) {
      if (this.#look(this.#sought)) return true
      this.#rest = this.#sought.reply(reply)
      // The texts need not be kept while the client reads what was found.
      this.#sought = undefined
    }
    return this.#rest?.next(reply) === true
  }

  /** @returns whether texts are left */
  #look(sought: Sought): boolean {
    for (let left = TRIES_PER_PIECE; left > 0; ) {
      const { value: text } = sought.texts.next()
      if (text === undefined) return false
      left--
      if (text === null) continue
      sought.look(text)
      left -= triesFor(sought.tries, 1, text.length)
    }
    return true
  }
}

/**
 * Replies with a search: a piece of it at once, and the rest as it is sent. In an EXEC whose searches before it have
 * taken a piece together, nothing of it is done at once.
 *
 * @param texts how many there are
 * @param tries how many patterns each is compared with
 */
export function replySearch(client: Client, search: Search, texts: number, tries: number): void {
  const { reply, executing } = client
  const isLate = executing && client.searchTries > TRIES_PER_PIECE
  if (executing) client.searchTries += texts * (1 + tries)
  if (isLate) reply.produce(search)
  else writeInPieces(reply, search)
}

/** As how many tries it counts to compare texts of so many characters together with so many patterns each. */
export function triesFor(patterns: number, texts: number, characters: number): number {
  return patterns * (texts + characters / CHARACTERS_PER_TRY)
}

/** How many patterns a path is compared with, at most, to find out whether a user may read it. */
export function triesOf(user: User): number {
  return user.selectors.reduce((sum, { patternCount }) => sum + patternCount, 0)
}
