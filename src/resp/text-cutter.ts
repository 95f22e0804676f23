/** V8 copies slices up to this length; a longer slice would keep the text that it is cut from alive. */
export const MAX_COPIED_SLICE = 12
/** How many bytes become text at a time, to cut short strings from. */
export const TEXT_BYTES = 4096

/**
 * A method of Buffer that its types lack: `toString('latin1')` without the look-up of the encoding.
 */
export interface Latin1Source {
  readonly length: number
  latin1Slice(start: number, end: number): string
}

/**
 * Makes binary strings from bytes. Short ones are cut from a longer one, because cutting costs a
 * sixth of making one from a Buffer.
 */
export class TextCutter {
  // The text, and which part of the bytes it is.
  #text = ''
  #start = 0
  #end = 0

  /** Must be called when the bytes are others. */
  clear(): void {
    this.#text = ''
    this.#end = 0
  }

  /** @returns the bytes from `start` to `end` as a string that keeps no other string alive */
  cut(bytes: Latin1Source, start: number, end: number): string {
    if (end - start > MAX_COPIED_SLICE) return bytes.latin1Slice(start, end)
    if (start < this.#start || end > this.#end) {
      this.#start = start
      this.#end = Math.min(start + TEXT_BYTES, bytes.length)
      this.#text = bytes.latin1Slice(start, this.#end)
    }
    return this.#text.slice(start - this.#start, end - this.#start)
  }
}
