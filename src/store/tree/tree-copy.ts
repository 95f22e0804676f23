import { References } from '../loose-values.ts'
import { joinPath } from '../path.ts'
import { type FileNode, isHidden, isOverdue, type Node } from './node.ts'
import { SlicedSort } from './sliced-sort.ts'

/** A node that has been copied takes about this much memory, in bytes, beside its name and value. */
const NODE_BYTES = 48
/** The order of so many children is kept with the copy. */
const SHARED_ORDER_COUNT = 1024
/** What `counts` says of a file, and of a directory whose children are not copied. */
const NOT_LISTED = -1

/** What is copied for a listing. */
export interface CopiedPart {
  /** All nodes below, and not only the children. */
  readonly recursive: boolean
  /** Only the directory itself. */
  readonly empty?: boolean
  /** Nodes that have expired by then are left out. */
  readonly now: number
  /** Hidden nodes, too. */
  readonly hidden?: boolean
}

/**
 * The nodes below a directory as they are at one moment, in columns: names and values by reference,
 * all else by number. The tree may change while the copy is read.
 *
 * The children of a directory stand side by side:
 *
 *     position   0   1   2   3   4   5
 *     name       /   a   b   c   x   y        a and c are directories
 *     first      1   4   -   5   -   -
 *     count      3   1   -   1   -   -
 */
export class TreeCopy {
  readonly names: string[] = []
  /** Undefined for a directory. */
  readonly values: (FileNode['value'] | undefined)[] = []
  /** The names and values, as memory that the tree has, too, until they change. */
  readonly references = new References(this.names, this.values)
  readonly #top: Node
  /** The orders of long directories, by position: those who walk the same copy share the work. */
  readonly #orders = new Map<number, SlicedSort>()
  #numbers: Float64Array
  #firstExpiry = PERMANENT
  /** Position of the first child. */
  #firsts: Int32Array
  #counts: Int32Array

  /**
   * @param top a directory
   * @param listing absent to copy all nodes; otherwise hidden ones are left out unless they are asked
   * for, those that have expired by `now`, and, unless it is recursive, all but the children of `top`
   */
  constructor(top: Node, listing?: CopiedPart) {
    const expected = 1 + expectedBelow(top, listing)
    this.#numbers = new Float64Array(FIELDS * expected)
    this.#firsts = new Int32Array(expected)
    this.#counts = new Int32Array(expected)
    this.#top = top
    this.#copy(listing)
  }

  /** Whether a directory is the top. */
  isOf(top: Node): boolean {
    return top === this.#top
  }

  /** The order of a directory's children by name, bytewise; undefined if there is one at most. */
  orderOf(position: number): SlicedSort | undefined {
    const count = this.count(position) ?? 0
    if (count < 2) return undefined
    const known = this.#orders.get(position)
    if (known !== undefined) return known
    const order = new SlicedSort(this.names, this.first(position), count)
    if (count >= SHARED_ORDER_COUNT) this.#orders.set(position, order)
    return order
  }

  get length(): number {
    return this.names.length
  }

  /** Memory that the copy takes, in bytes, about. */
  get weight(): number {
    return NODE_BYTES * this.length
  }

  modifiedIndex(position: number): number {
    return this.#numbers[FIELDS * position]
  }

  createdIndex(position: number): number {
    return this.#numbers[FIELDS * position + 1]
  }

  /** When a node expires, in Unix milliseconds; undefined if it is permanent. */
  expireTime(position: number): number | undefined {
    const time = this.#numbers[FIELDS * position + 2]
    return time === PERMANENT ? undefined : time
  }

  /** When the first of the nodes expires, in Unix milliseconds. */
  get firstExpiry(): number {
    return this.#firstExpiry
  }

  /** Position of a directory's first child. */
  first(position: number): number {
    return this.#firsts[position]
  }

  /** How many children of a directory are copied; undefined if none are, because it is not listed. */
  count(position: number): number | undefined {
    const count = this.#counts[position]
    return count === NOT_LISTED ? undefined : count
  }

  #copy(listing: CopiedPart | undefined): void {
    // The deepest first: nodes that were made together lie together in memory.
    const open: Node[] = [this.#top]
    const positions = [this.#add(this.#top)]
    if (listing?.empty === true) return
    for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
      const position = positions.pop() as number
      if (!directory.dir) continue
      this.#firsts[position] = this.length
      for (const child of directory.children.list) {
        if (listing !== undefined && !isListed(child, listing)) continue
        const at = this.#add(child)
        if (!child.dir || listing?.recursive === false) continue
        open.push(child)
        positions.push(at)
      }
      this.#counts[position] = this.length - this.#firsts[position]
    }
  }

  /** @returns the copy's position */
  #add(node: Node): number {
    const position = this.names.push(node.name) - 1
    this.values.push(node.dir ? undefined : node.value)
    if (position === this.#counts.length) this.#grow()
    const at = FIELDS * position
    const { lease } = node
    this.#numbers[at] = node.modifiedIndex
    this.#numbers[at + 1] = node.createdIndex
    const expireTime = lease === null ? PERMANENT : lease.expireTime
    this.#numbers[at + 2] = expireTime
    if (expireTime < this.#firstExpiry) this.#firstExpiry = expireTime
    this.#counts[position] = NOT_LISTED
    return position
  }

  #grow(): void {
    const length = 2 * this.#counts.length
    this.#numbers = grown(this.#numbers, new Float64Array(FIELDS * length))
    this.#firsts = grown(this.#firsts, new Int32Array(length))
    this.#counts = grown(this.#counts, new Int32Array(length))
  }
}

/** How many nodes there are to copy, about: columns take time by their length, though little is written. */
function expectedBelow(top: Node, listing: CopiedPart | undefined): number {
  if (!top.dir || listing?.empty === true) return 0
  return listing?.recursive === false ? top.children.size : top.nodes
}

function isListed(node: Node, { hidden, now }: CopiedPart): boolean {
  return (hidden === true || !isHidden(node)) && !isOverdue(node, now)
}

/** `modifiedIndex`, `createdIndex` and the time of expiry stand side by side. */
const FIELDS = 3
/** No time: every number of milliseconds, before 1970 too, is one. */
const PERMANENT = Number.POSITIVE_INFINITY

function grown<Column extends Float64Array | Int32Array>(old: Column, larger: Column): Column {
  larger.set(old)
  return larger
}

/**
 * What {@link TreeWalk.next} has come to: a node; the end of a directory, whose children have all been
 * met; nothing yet, because it is still sorting; the end.
 */
export type Step = 'node' | 'end' | 'sorting' | 'done'

/** A directory whose children are being met. */
interface Level {
  readonly position: number
  /** What the paths of the children begin with. */
  readonly prefix: string
  readonly count: number
  /** How many children have been met. */
  met: number
  /** Their order, if they are sorted. */
  readonly order: SlicedSort | undefined
}

/** A level takes about this much memory, in bytes, beside its prefix. */
const LEVEL_BYTES = 96

/** Meets all nodes of a copy, each directory before its children, and once more after them. */
export class TreeWalk {
  readonly #copy: TreeCopy
  readonly #sorted: boolean
  readonly #levels: Level[] = []
  /** Whether {@link position} is a node whose children come next. */
  #descends = false
  #begun = false
  /** How long the prefixes of all levels are together. */
  #prefixBytes = 0
  /** The node that has been met. */
  position = 0
  /** The node's path is this and its name; its whole path, if it is the top. */
  prefix: string

  /**
   * @param path of the top
   * @param sorted whether to order the children of each directory by name, bytewise
   */
  constructor(copy: TreeCopy, path: string, sorted: boolean) {
    this.#copy = copy
    this.#sorted = sorted
    this.prefix = path
  }

  /** Memory that the walk takes at this moment, in bytes, about: in a deep tree its prefixes are long. */
  get weight(): number {
    return LEVEL_BYTES * this.#levels.length + this.#prefixBytes
  }

  /** The rest of the node's path after {@link prefix}. */
  get name(): string {
    return this.#levels.length === 0 ? '' : this.#copy.names[this.position]
  }

  next(): Step {
    if (!this.#begun) {
      this.#begun = true
      return this.#meet(0)
    }
    if (this.#descends) this.#descend()
    const level = this.#levels.at(-1)
    if (level === undefined) return 'done'
    if (level.met === level.count) {
      this.#levels.pop()
      this.#prefixBytes -= level.prefix.length
      this.position = level.position
      return 'end'
    }
    if (level.order !== undefined && !level.order.step()) return 'sorting'
    const offset = level.order === undefined ? level.met : level.order.at(level.met)
    level.met++
    this.prefix = level.prefix
    return this.#meet(this.#copy.first(level.position) + offset)
  }

  #meet(position: number): Step {
    this.position = position
    this.#descends = this.#copy.count(position) !== undefined
    return 'node'
  }

  #descend(): void {
    const { position } = this
    const copy = this.#copy
    const count = copy.count(position) as number
    this.#descends = false
    const prefix = joinPath(this.prefix + this.name, '')
    // V8 joins the parts of a string when it is looked into: here once, and not anew for each child.
    if (count > 0) prefix.charCodeAt(0)
    this.#prefixBytes += prefix.length
    this.#levels.push({
      position,
      prefix,
      count,
      met: 0,
      order: this.#sorted ? copy.orderOf(position) : undefined,
    })
  }
}
