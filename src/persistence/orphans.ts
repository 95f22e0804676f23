import { attach, DirectoryNode, type Node } from '../store/tree/node.ts'

/** The directory for nodes whose place is lost; named as in file systems. */
const NAME = 'lost+found'

/** Readable nodes whose directory is not readable. */
export class Orphans {
  /** By the id of their directory. */
  readonly #nodes = new Map<number, Node[]>()

  add(parentId: number, node: Node): void {
    const siblings = this.#nodes.get(parentId)
    if (siblings === undefined) this.#nodes.set(parentId, [node])
    else siblings.push(node)
  }

  /**
   * Puts the nodes into `/lost+found`. Nodes of one directory stay together, in a directory named
   * after the lost one's id, and keep their names.
   *
   * @param index for the new directories
   * @returns the path of `/lost+found`; undefined if there are no orphans
   */
  adopt(root: DirectoryNode, index: number): string | undefined {
    if (this.#nodes.size === 0) return undefined
    const top = new DirectoryNode(freeName(root), null, index)
    attach(root, top)
    for (const [parentId, nodes] of this.#nodes) {
      const directory = new DirectoryNode(String(parentId), null, index)
      attach(top, directory)
      for (const node of nodes) if (!directory.children.has(node.name)) attach(directory, node)
    }
    return `/${top.name}`
  }
}

function freeName(root: DirectoryNode): string {
  let name = NAME
  for (let n = 2; root.children.has(name); n++) name = `${NAME}-${n}`
  return name
}
