import { countDirectories, type DirectoryNode, type Node } from '../store/tree/node.ts'

/** Whether a node is in the tree below `root`. */
export function isIn(root: DirectoryNode, node: Node): boolean {
  let at = node
  while (at.parent !== null) at = at.parent
  return at === root
}

/** A directory, and all directories below it. */
export function reachableFrom(top: DirectoryNode): Set<Node> {
  const live = new Set<Node>()
  const open: DirectoryNode[] = [top]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    live.add(at)
    for (const child of at.children.list) if (child.dir) open.push(child)
  }
  return live
}

/** Directories that lie below themselves. */
export interface Circles {
  /** One directory of each circle. */
  readonly ends: readonly DirectoryNode[]
  /** How many directories are in the circles and below them. */
  readonly count: number
}

/**
 * Finds the directories above which there is no top: one of those above is below another. No write does that, so a
 * record is damaged, or stands in the place of another.
 *
 * @param live those in the tree, which need not be looked at
 */
export function findCircles(
  directories: Iterable<DirectoryNode>,
  live: ReadonlySet<Node>,
): Circles {
  /** Which way up each directory was met on, and whether that way ends in a circle. */
  const ways = new Map<DirectoryNode, number>()
  const isCircular: boolean[] = []
  const ends: DirectoryNode[] = []
  let count = 0
  for (const directory of directories) {
    if (live.has(directory) || ways.has(directory)) continue
    const way = isCircular.length
    const metBefore = ways.size
    let at: DirectoryNode | null = directory
    for (; at !== null && !ways.has(at); at = at.parent) ways.set(at, way)
    const joins = at === null ? undefined : ways.get(at)
    if (at !== null && joins === way) ends.push(at)
    isCircular.push(joins !== undefined && (joins === way || isCircular[joins]))
    if (isCircular[way]) count += ways.size - metBefore
  }
  return { ends, count }
}

/** Counts the directories below each of these, none of which lies below itself. @param directories by `id` */
export function countAll(directories: ReadonlyMap<number, DirectoryNode>): void {
  // Cutting a circle has counted, too.
  for (const directory of directories.values()) directory.directories = 0
  for (const { parent } of directories.values()) if (parent !== null) countDirectories(parent, 1)
}
