/** What a client has asked for, and what it was told. */
export interface Operation<Input, Output> {
  readonly input: Input
  /** Undefined if the client does not know whether it has happened: it may yet. */
  readonly output: Output | undefined
  /** When it was asked, and told, on one clock. */
  readonly call: number
  readonly end: number
}

/** What an object does, one operation after the other. */
export interface Model<Input, Output> {
  /** The state before the first operation. */
  readonly start: string
  /**
   * @param output undefined if it is not known
   * @returns the state after it; undefined if it cannot have had this outcome
   */
  step(state: string, input: Input, output: Output | undefined): string | undefined
}

/** A call, or the end of one, in a list in order of time. */
interface Entry {
  readonly id: number
  /** The end of the same operation, if this is a call; undefined if the end is not known. */
  readonly end: Entry | undefined
  readonly isCall: boolean
  before: Entry | undefined
  after: Entry | undefined
}

/**
 * Whether there is an order of the operations that explains what the clients were told, in which each
 * comes between its call and its end. An operation without a known outcome may come at any time after its
 * call, or never. This is the search of Wing and Gong, with Lowe's memory of what was tried, as in Porcupine.
 *
 * @throws Error if it would have to try more than `limit` states
 */
export function isLinearizable<Input, Output>(
  model: Model<Input, Output>,
  operations: readonly Operation<Input, Output>[],
  limit = 5_000_000,
): boolean {
  const head = listOf(operations)
  const tried = new Set<string>()
  const done = new Uint8Array(operations.length)
  const undo: { entry: Entry; state: string }[] = []
  let state = model.start
  let entry = head.after
  while (entry !== undefined) {
    if (entry.isCall) {
      const { input, output } = operations[entry.id]
      const next = model.step(state, input, output)
      done[entry.id] = 1
      if (next !== undefined && isNew(tried, done, next)) {
        if (tried.size > limit) throw new Error(`the history has more than ${limit} states`)
        undo.push({ entry, state })
        state = next
        takeOut(entry)
        entry = head.after
        continue
      }
      done[entry.id] = 0
      entry = entry.after
      continue
    }
    // An operation has ended that finds no place among those that were tried.
    const last = undo.pop()
    if (last === undefined) return false
    state = last.state
    done[last.entry.id] = 0
    putBack(last.entry)
    entry = last.entry.after
  }
  return true
}

function isNew(tried: Set<string>, done: Uint8Array, state: string): boolean {
  const { size } = tried
  tried.add(`${Buffer.from(done).toString('latin1')}${state}`)
  return tried.size > size
}

function listOf(operations: readonly Operation<unknown, unknown>[]): Entry {
  const points: { time: number; entry: Entry }[] = []
  for (const [id, { call, end, output }] of operations.entries()) {
    const last = { id, end: undefined, isCall: false, before: undefined, after: undefined }
    const isKnown = output !== undefined
    const first = { ...last, isCall: true, end: isKnown ? last : undefined }
    points.push({ time: call, entry: first })
    if (isKnown) points.push({ time: end, entry: last })
  }
  // At the same time a call comes first, because the two may have overlapped.
  points.sort((a, b) => a.time - b.time || Number(b.entry.isCall) - Number(a.entry.isCall))
  const head: Entry = { id: -1, end: undefined, isCall: false, before: undefined, after: undefined }
  let last = head
  for (const { entry } of points) {
    last.after = entry
    entry.before = last
    last = entry
  }
  return head
}

function takeOut(call: Entry): void {
  for (const entry of [call, call.end]) {
    if (entry === undefined) continue
    if (entry.before !== undefined) entry.before.after = entry.after
    if (entry.after !== undefined) entry.after.before = entry.before
  }
}

function putBack(call: Entry): void {
  for (const entry of [call.end, call]) {
    if (entry === undefined) continue
    if (entry.before !== undefined) entry.before.after = entry
    if (entry.after !== undefined) entry.after.before = entry
  }
}
