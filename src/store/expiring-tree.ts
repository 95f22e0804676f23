import { cleanPath, MAX_PATH_LENGTH } from './path.ts'
import { dueBeforeRename } from './rename.ts'
import { DueNodes } from './tree/due-nodes.ts'
import { type DirectoryNode, type Node, nodeAt } from './tree/node.ts'
import { SiblingPaths } from './tree/sibling-paths.ts'
import { WatchableTree } from './watchable-tree.ts'

/**
 * Nodes that expire bit by bit: each step expires one at most, so that others can be served in between. All of it is
 * at the time at which it has begun. Nobody may write before it is over.
 */
export type Expiries = Generator<undefined, undefined>

/** A tree whose nodes expire: by themselves, and before what clients ask for. */
export class ExpiringTree extends WatchableTree {
  /**
   * Expires the nodes that are due, oldest first. Each has an event of its own; a directory goes with
   * all below it in one event.
   *
   * @param cutoff Unix milliseconds
   * @param limit the most leases that are looked at, so that a server can serve clients in between
   * @returns the number of events
   */
  deleteExpiredKeys(cutoff: number, limit = Number.POSITIVE_INFINITY): number {
    const paths = new SiblingPaths()
    let count = 0
    for (let steps = 0; steps < limit; steps++) {
      const node = this.tree.firstDue(cutoff)
      if (node === undefined) break
      if (this.#expireFirst(node, cutoff, paths)) count++
    }
    return count
  }

  /** Like {@link deleteExpiredKeys}, bit by bit. @param limit the most events */
  *expiriesOfDue(cutoff: number, limit = Number.POSITIVE_INFINITY): Expiries {
    const paths = new SiblingPaths()
    for (let left = limit; left > 0; ) {
      const node = this.tree.firstDue(cutoff)
      if (node === undefined) return
      if (this.#expireFirst(node, cutoff, paths)) left--
      yield
    }
  }

  /** Expires the node at a path, whose time has come. */
  expireNode(path: string): void {
    const node = nodeAt(this.root, cleanPath(path))
    if (node !== undefined) this.expire(node, this.clock.now())
  }

  /** The nodes that are due and not yet removed; until the next write. */
  dueNodes(): DueNodes {
    return new DueNodes(this.tree, this.clock.now())
  }

  /** Whether so many nodes are due that {@link dueNodes} might take long to answer. */
  hasManyDue(): boolean {
    return this.tree.due.hasManyDue(this.clock.now())
  }

  /** Expires nothing, but {@link dueNodes} then have the answers ready that they would find in one go. */
  *gatherDue(now: number): Expiries {
    while (this.tree.due.gatherSome(now)) yield
  }

  /**
   * Expires the nodes that writes to some paths would expire first, so that no expiry comes in between
   * the writes of one command. If nodes are due below one of the paths, all are expired that are due.
   */
  expireBefore(paths: Iterable<string>): void {
    const expiries = this.expiriesBefore(paths)
    while (expiries.next().done !== true);
  }

  /** {@link expireBefore}, bit by bit. */
  *expiriesBefore(paths: Iterable<string>): Expiries {
    const tree = this.tree
    const now = this.clock.now()
    for (const path of paths) {
      const next = tree.nextExpiry()
      if (next === undefined || next > now) return
      // The write itself reports that a path is too long.
      if (path.length > MAX_PATH_LENGTH) continue
      const key = cleanPath(path)
      this.expireAlong(key, now)
      yield
      const directory = this.#directoryAt(key)
      if (directory === undefined) continue
      yield* this.gatherDue(now)
      if (!tree.due.hasDue(directory, Number.NEGATIVE_INFINITY, now)) continue
      yield* this.expiriesOfDue(now)
      return
    }
  }

  /** What `Store.delete` of an empty directory would expire first, bit by bit. */
  *expiriesIn(path: string): Expiries {
    const now = this.clock.now()
    const directory = this.#directoryAt(path)
    if (directory === undefined || directory === this.root) return
    yield* this.#expiriesOf(this.tree.due.dueIn(directory, now), now)
  }

  /** What `Store.rename` would expire first, bit by bit, if something is due below a directory at the old path. */
  *expiriesOfRename(from: string, to: string): Expiries {
    const now = this.clock.now()
    const directory = this.#directoryAt(from)
    if (directory === undefined) return
    yield* this.gatherDue(now)
    if (!this.tree.due.hasDue(directory, Number.NEGATIVE_INFINITY, now)) return
    yield* this.#expiriesOf(dueBeforeRename(this.tree, from, to, now), now)
  }

  /** Expires the children of a directory that are due. */
  protected expireDueIn(directory: DirectoryNode, now: number): void {
    const expiries = this.#expiriesOf(this.tree.due.dueIn(directory, now), now)
    while (expiries.next().done !== true);
  }

  /** Expires the first node on the way to a path that is due. */
  protected expireAlong(tidy: string, now: number): void {
    const node = this.tree.overdueOn(tidy, now)
    if (node !== undefined) this.expire(node, now)
  }

  *#expiriesOf(nodes: Iterable<Node | undefined>, now: number): Expiries {
    const paths = new SiblingPaths()
    for (const node of nodes) {
      if (node !== undefined) this.expire(node, now, paths.of(node, this.index))
      yield
    }
  }

  /** @param node the first that is due @returns whether it was still there */
  #expireFirst(node: Node, now: number, paths: SiblingPaths): boolean {
    const isThere = this.tree.isAttached(node)
    if (isThere) this.expire(node, now, paths.of(node, this.index))
    else this.tree.setExpiry(node, undefined)
    return isThere
  }

  /** @returns undefined if there is none, or the path is too long, which the write itself reports */
  #directoryAt(path: string): DirectoryNode | undefined {
    if (path.length > MAX_PATH_LENGTH) return
    const node = this.tree.lookup(path)
    return node?.dir === true ? node : undefined
  }
}
