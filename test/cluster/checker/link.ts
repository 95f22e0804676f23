import { connect, createServer, type Server, type Socket } from 'node:net'
import { Transform } from 'node:stream'

/** Stands between two programs, and can cut them off from each other. */
export class Link {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Those from which answers come. */
  readonly #far = new Set<Socket>()
  /** What a request has to contain so that nothing comes back from it on, and who is told of it. */
  #trap: { text: string; onSprung: () => void } | undefined
  #state: 'open' | 'cut' | 'silent' | 'deaf' = 'open'
  #delayMs = 0

  private constructor(target: number) {
    this.#server = createServer((near) => {
      if (this.#state === 'cut') {
        near.destroy()
        return
      }
      const far = connect(target, '127.0.0.1')
      for (const [from, to] of [
        [near, far],
        [far, near],
      ]) {
        this.#sockets.add(from)
        from.on('error', () => {})
        from.on('close', () => {
          this.#sockets.delete(from)
          to.destroy()
        })
        if (from === near) from.pipe(this.#looking()).pipe(to)
        else from.pipe(this.#delaying()).pipe(to)
        if (this.#state === 'silent') from.pause()
      }
      this.#far.add(far)
      far.on('close', () => this.#far.delete(far))
      if (this.#state === 'deaf') far.pause()
    })
  }

  /** @param address where it listens */
  static async to(target: number, address = '127.0.0.1'): Promise<Link> {
    const link = new Link(target)
    await new Promise<void>((resolve) => link.#server.listen(0, address, resolve))
    return link
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' ? (address?.port ?? 0) : 0
  }

  /** Ends all connections, and takes none. */
  cut(): void {
    this.#state = 'cut'
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Lets nothing through, and ends nothing: so it is when a cable is pulled. */
  silence(): void {
    this.#state = 'silent'
    for (const socket of this.#sockets) socket.pause()
  }

  /** Lets requests through, and no answers. */
  deafen(): void {
    this.#state = 'deaf'
    for (const socket of this.#far) socket.pause()
  }

  /** Deafens it when a request passes that contains a text. @returns resolves then */
  deafenFor(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#trap = { text, onSprung: resolve }
    })
  }

  #looking(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _, done) => {
        const trap = this.#trap
        if (trap !== undefined && chunk.includes(trap.text)) {
          this.#trap = undefined
          this.deafen()
          trap.onSprung()
        }
        done(null, chunk)
      },
    })
  }

  /** Lets answers through so much later. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  /** Does not wait for one piece before it takes the next. */
  #delaying(): Transform {
    let passed: Promise<unknown> = Promise.resolve()
    const delaying = new Transform({
      transform: (chunk: Buffer, _, done) => {
        if (this.#delayMs === 0) passed = passed.then(() => delaying.push(chunk))
        else {
          const waited = new Promise((resolve) => setTimeout(resolve, this.#delayMs))
          passed = Promise.all([passed, waited]).then(() => delaying.push(chunk))
        }
        done()
      },
      flush: (done) => void passed.then(() => done()),
    })
    return delaying
  }

  mend(): void {
    this.#state = 'open'
    for (const socket of this.#sockets) socket.resume()
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
