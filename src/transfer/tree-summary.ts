import type { Store } from '../store/store.ts'
import { nodesBelow } from '../store/tree/node.ts'

/** Numbers of nodes. The root is not counted. */
interface Counts {
  files: number
  directories: number
  /** Nodes with a TTL, and how many of them are due. */
  leases: number
  due: number
}

function count(store: Store): Counts {
  const now = store.clock.now()
  const counts: Counts = { files: 0, directories: 0, leases: 0, due: 0 }
  for (const node of nodesBelow(store.root)) {
    if (node.dir) counts.directories++
    else counts.files++
    if (node.lease === null) continue
    counts.leases++
    if (node.lease.expireTime <= now) counts.due++
  }
  return counts
}

const plural = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`

/** Describes the content of a store in one line. */
export function summarize(store: Store): string {
  const { files, directories, leases, due } = count(store)
  const nodes = plural(files + directories, 'node', 'nodes')
  const kinds = `${plural(files, 'file', 'files')}, ${plural(directories, 'directory', 'directories')}`
  const dueOnes = due === 0 ? '' : `, ${due} of them already due`
  return (
    `${nodes} (${kinds}), index ${store.index}, ${plural(store.history.size, 'event', 'events')}, ` +
    `${leases} with a TTL${dueOnes}`
  )
}
