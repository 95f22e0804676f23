import type { Event } from './event.ts'
import { isBelow } from './path.ts'
import type { DueNodes } from './tree/due-nodes.ts'
import { HubWatcher } from './watcher-hub.ts'

/** The tree, as a guard sees it. */
interface GuardedTree {
  lookup(path: string): unknown
}

const OPTIONS = { recursive: true, stream: true, since: 0 } as const

/** Calls back at the first change at a path or below it: see `WatchableTree.guard`. */
export class Guard extends HubWatcher {
  readonly #tree: GuardedTree
  readonly #onChange: () => void
  /** Earlier expiries do not count, in Unix milliseconds. */
  readonly madeAt: number
  /** Whether the path led to a node. If not, no expiry counts. */
  readonly existed: boolean

  /** @param now Unix milliseconds */
  constructor(tree: GuardedTree, path: string, now: number, onChange: () => void) {
    super(path, OPTIONS)
    this.#tree = tree
    this.#onChange = onChange
    this.madeAt = this.ignoredUntil = now
    this.existed = tree.lookup(path) !== undefined
    this.awaits = !this.existed
  }

  /** Whether the guarded node is due, and not yet removed. @param due of the same tree */
  isOverdue(due: DueNodes): boolean {
    return this.existed && due.touch(this.path, this.madeAt)
  }

  override show({ action, node, prevNode }: Event): void {
    const expiration = action === 'expire' ? prevNode?.expiration : undefined
    if (expiration !== undefined && expiration <= this.madeAt) return
    // Only a recovery sets the root. It changes everything, because guards that stayed would be asked again each time.
    const isRecovery = action === 'set' && node.key === '/'
    const above = !isRecovery && isBelow(this.path, node.key)
    if (above && !this.existed && this.#tree.lookup(this.path) === undefined) return
    this.remove()
    this.#onChange()
  }
}
