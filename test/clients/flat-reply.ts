/**
 * Turns a RESP2 event, a flat array of names and values, into the object that a RESP3 client returns.
 *
 * @param reply an array of names and values, with `node`, `prevNode` and `nodes` as such arrays
 */
export function fromFlat(reply: unknown): Record<string, unknown> {
  if (!Array.isArray(reply)) throw new Error(`no flat map: ${String(reply)}`)
  const result: Record<string, unknown> = {}
  for (let i = 0; i < reply.length; i += 2) {
    const name = String(reply[i])
    const value: unknown = reply[i + 1]
    if (name === 'node' || name === 'prevNode') result[name] = fromFlat(value)
    else if (name === 'nodes' && Array.isArray(value)) result[name] = value.map(fromFlat)
    else result[name] = value
  }
  return result
}
