import { Session } from 'node:inspector'

/** The parts of the inspector's answer that are used. */
interface Coverage {
  readonly result: readonly {
    readonly url: string
    readonly functions: readonly { readonly ranges: readonly { readonly count: number }[] }[]
  }[]
}

/**
 * Counts steps: how often each block of the program runs, as V8 counts it for test coverage, and how
 * many characters or elements V8's own functions are given. The count of one request is the same each
 * time, on any machine.
 */
export class StepCounter {
  readonly #session = new Session()
  readonly #restore: (() => void)[] = []
  #native = 0

  constructor() {
    this.#session.connect()
    this.#post('Profiler.enable')
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
    this.#watchNatives()
  }

  /** The steps since the last call. */
  take(): number {
    const { result } = this.#post('Profiler.takePreciseCoverage') as Coverage
    let blocks = 0
    for (const { url, functions } of result) {
      if (!/\/src\/|\/redis-parser\//.test(url)) continue
      for (const { ranges } of functions) for (const { count } of ranges) blocks += count
    }
    const steps = blocks + this.#native
    this.#native = 0
    return steps
  }

  stop(): void {
    for (const restore of this.#restore) restore()
    this.#post('Profiler.stopPreciseCoverage')
    this.#session.disconnect()
  }

  #post(method: string, params?: object): unknown {
    let answer: unknown
    this.#session.post(method, params, (error, result) => {
      if (error) throw new Error(error.message)
      answer = result
    })
    return answer
  }

  /** Counts the work of functions that are linear, or worse, in what they are given. */
  #watchNatives(): void {
    const text = (self: unknown): number => String(self).length / 64
    // A search ends where it finds something.
    this.#wrap(String.prototype, 'indexOf', (self, [, from], found) => {
      const end = found === -1 ? String(self).length : Number(found)
      return Math.max(0, end - Number(from ?? 0)) / 64
    })
    this.#wrap(String.prototype, 'includes', text)
    this.#wrap(String.prototype, 'startsWith', (_, [part]) => String(part).length / 64)
    this.#wrap(String.prototype, 'replace', text)
    this.#wrap(String.prototype, 'split', text)
    this.#wrap(String.prototype, 'toLowerCase', text)
    this.#wrap(String.prototype, 'toUpperCase', text)
    this.#wrap(RegExp.prototype, 'exec', (_, [part]) => String(part).length / 64)
    this.#wrap(RegExp.prototype, 'test', (_, [part]) => String(part).length / 64)
    const elements = (self: unknown): number => (self as unknown[]).length
    for (const name of ['indexOf', 'includes', 'slice', 'splice', 'shift', 'unshift'] as const) {
      this.#wrap(Array.prototype, name, elements)
    }
    this.#wrap(Array.prototype, 'sort', (self) => {
      const { length } = self as unknown[]
      return length * Math.log2(length + 1)
    })
    // Reading a BigInt, and multiplying two, takes the square of the digits, or nearly so.
    this.#wrap(globalThis, 'BigInt', (_, [digits]) => (String(digits).length / 64) ** 2)
  }

  #wrap<T extends object>(
    owner: T,
    name: keyof T & string,
    work: (self: unknown, args: unknown[], result: unknown) => number,
  ): void {
    const original = owner[name] as (...args: unknown[]) => unknown
    const count = (steps: number): void => {
      this.#native += steps
    }
    const wrapped = function (this: unknown, ...args: unknown[]): unknown {
      const result = original.apply(this, args)
      count(work(this, args, result))
      return result
    }
    Object.assign(wrapped, original)
    for (const key of Object.getOwnPropertyNames(original)) {
      if (['length', 'name', 'prototype'].includes(key)) continue
      Object.defineProperty(wrapped, key, Object.getOwnPropertyDescriptor(original, key) as object)
    }
    owner[name] = wrapped as T[keyof T & string]
    this.#restore.push(() => {
      owner[name] = original as T[keyof T & string]
    })
  }
}
