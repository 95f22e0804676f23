import { joinPath } from '../path.ts'
import { type DirectoryNode, type Node, pathOf } from './node.ts'

/**
 * The paths of nodes that expire one after the other: the path of their directory is put together once for those that
 * lie side by side, because it may have a thousand components.
 */
export class SiblingPaths {
  #directory: DirectoryNode | null = null
  #beginning = ''
  #index = Number.NaN

  /**
   * @param node is removed next
   * @param index of the store. Unless only the last node has been removed since, the directory may have moved.
   */
  of(node: Node, index: number): string {
    const { parent } = node
    if (parent === null) return pathOf(node)
    if (parent !== this.#directory || index !== this.#index) {
      this.#directory = parent
      this.#beginning = joinPath(pathOf(parent), '')
    }
    this.#index = index + 1
    return this.#beginning + node.name
  }
}
