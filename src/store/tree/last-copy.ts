import type { DirectoryNode } from './node.ts'
import { type CopiedPart, TreeCopy } from './tree-copy.ts'

/** Makes copies for listings: clients that list the same while nothing changes share one. */
export class LastCopy {
  /** Called before a copy is made, with how many nodes it has, about; may throw. */
  before: ((nodes: number) => void) | undefined
  // Weak, because the replies that are still being sent keep the copy, and the tree its directories.
  #copy: WeakRef<TreeCopy> | undefined
  #top: WeakRef<DirectoryNode> | undefined
  #whole: WeakRef<TreeCopy> | undefined
  #wholeIndex = 0
  #recursive = false
  #hidden = false
  #now = 0
  #index = 0

  /** Of all nodes, the hidden and the due ones too. @param index of the store: every change raises it */
  whole(root: DirectoryNode, index: number): TreeCopy {
    const known = this.#whole?.deref()
    if (known?.isOf(root) === true && index === this.#wholeIndex) return known
    this.before?.(root.nodes)
    const copy = new TreeCopy(root)
    this.#whole = new WeakRef(copy)
    this.#wholeIndex = index
    return copy
  }

  /** @param index of the store: every change raises it */
  of(top: DirectoryNode, part: CopiedPart, index: number): TreeCopy {
    if (part.empty === true) return new TreeCopy(top, part)
    const { recursive, hidden = false, now } = part
    const isSame = top === this.#top?.deref() && index === this.#index && now >= this.#now
    if (isSame && recursive === this.#recursive && hidden === this.#hidden) {
      const known = this.#copy?.deref()
      // As long as none of them has expired, it is the same.
      if (known !== undefined && (now === this.#now || now < known.firstExpiry)) return known
    }
    this.before?.(recursive ? top.nodes : top.children.size)
    const copy = new TreeCopy(top, part)
    this.#copy = new WeakRef(copy)
    this.#top = new WeakRef(top)
    this.#recursive = recursive
    this.#hidden = hidden
    this.#now = now
    this.#index = index
    return copy
  }
}
