import { attach, DirectoryNode, type Node } from '../store/tree/node.ts'

/** Where nodes are brought whose place is not known any more, as in file systems. */
const NAME = 'lost+found'

/** Nodes that can be read, while the directory that they were in cannot. */
export class Orphans {
  /** By the number of the directory that they were in. */
  readonly #nodes = new Map<number, Node[]>()

  add(parentId: number, node: Node): void {
    const siblings = this.#nodes.get(parentId)
    if (siblings === undefined) this.#nodes.set(parentId, [node])
    else siblings.push(node)
  }

  /**
   * Hangs them into `/lost+found`, those that were in one directory together, and under their own
   * names.
   *
   * @param index the store's: that of the directories that are made for them
   * @returns where they are; undefined if there are none
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
