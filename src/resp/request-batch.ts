/** Of no more requests a batch tells. */
const MOST = 512

/** Requests that have been decoded and are served next, as far as their first arguments go. */
export class RequestBatch {
  /** How many there are. */
  count = 0
  /** The bytes that they have come as. */
  bytes: Uint8Array = new Uint8Array(0)
  /** The first argument after the command's name of each; empty where there is none. */
  readonly paths: string[] = new Array<string>(MOST).fill('')
  /** Where in the bytes each of those begins and ends, in turn. */
  readonly bounds = new Int32Array(2 * MOST)

  /** Begins anew. @param bytes of the requests that are going to be added */
  clear(bytes: Uint8Array): void {
    this.count = 0
    this.bytes = bytes
  }

  /** Adds a request, if there is room. */
  add(path: string, start: number, end: number): void {
    const { count } = this
    if (count === MOST) return
    this.paths[count] = path
    this.bounds[2 * count] = start
    this.bounds[2 * count + 1] = end
    this.count = count + 1
  }
}
