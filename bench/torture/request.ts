/** An argument: one byte a character, or bytes that several requests share. */
export type Word = string | Buffer
export type Request = readonly Word[]

const PIECE = 65_536

/** Requests as they are sent, in pieces. */
export function encode(requests: Iterable<Request>): Buffer[] {
  const pieces: Buffer[] = []
  let text = ''
  const flush = (): void => {
    if (text !== '') pieces.push(Buffer.from(text, 'latin1'))
    text = ''
  }
  for (const request of requests) {
    text += `*${request.length}\r\n`
    for (const word of request) {
      text += `$${word.length}\r\n`
      if (typeof word === 'string' && word.length < PIECE) {
        text += word
      } else {
        flush()
        pieces.push(typeof word === 'string' ? Buffer.from(word, 'latin1') : word)
      }
      text += '\r\n'
      if (text.length >= PIECE) flush()
    }
  }
  flush()
  return pieces
}

const filled = new Map<string, Buffer>()

/** A text repeated up to a length; the same bytes each time. */
export function repeated(text: string, length: number): Buffer {
  const name = `${length} ${text}`
  let bytes = filled.get(name)
  if (bytes === undefined) {
    bytes = Buffer.alloc(length, text, 'latin1')
    filled.set(name, bytes)
  }
  return bytes
}

/** A list of so many words. */
export const words = (count: number, word: (i: number) => Word): Word[] =>
  Array.from({ length: count }, (_, i) => word(i))
