import type { Output } from '../../src/transfer/progress.ts'

/** An output that records its text. */
export class Recorder implements Output {
  text = ''
  readonly isTTY: boolean

  constructor(isTTY = false) {
    this.isTTY = isTTY
  }

  write(chunk: string | Uint8Array, done?: (error?: Error | null) => void): void {
    this.text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('latin1')
    done?.()
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1)
  }
}
