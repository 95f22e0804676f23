import { SnapshotError } from '../errors.ts'
import { joinPath, MAX_PATH_DEPTH, MAX_PATH_LENGTH } from '../path.ts'
import { fromBase64, textToBytes } from '../text.ts'
import { keptName } from '../tree/kept-name.ts'
import { LeaseList } from '../tree/lease-list.ts'
import { attach, DirectoryNode, FileNode, type Node } from '../tree/node.ts'
import type { JsonReader } from './json-reader.ts'
import {
  asFields,
  asIndex,
  expiry,
  type Fields,
  pathField,
  show,
  valueField,
} from './saved-fields.ts'

/** Makes nodes of what a reader brings, one after the other. */
export class TreeParser {
  readonly leases = new LeaseList()
  readonly #reader: JsonReader
  readonly #maxIndex: number
  readonly #prefix: string

  /** @param prefix of all paths in the document */
  constructor(reader: JsonReader, maxIndex: number, prefix: string) {
    this.#reader = reader
    this.#maxIndex = maxIndex
    this.#prefix = prefix
  }

  /** The next value as the root. @throws SnapshotError, SyntaxError */
  root(): DirectoryNode {
    if (!this.#reader.isObject) asFields(this.#reader.value(), 'Root')
    const root = new DirectoryNode('', null, 0)
    const [fields, hasChildren] = this.#fields(() => {
      this.#addChildren(root, '/', 1)
      return true
    })
    if (hasChildren === undefined) asFields(fields.Children, 'Root: Children')
    this.#setIndexes(root, fields, 'Root')
    if (pathField(fields) !== (this.#prefix || '/')) {
      throw new SnapshotError(`Root: Path is ${show(fields.Path)}`)
    }
    if (expiry(fields.ExpireTime, '/') !== undefined) {
      throw new SnapshotError('Root: has an ExpireTime')
    }
    return root
  }

  #addChildren(parent: DirectoryNode, parentPath: string, depth: number): void {
    const reader = this.#reader
    reader.enter()
    for (let key = reader.field(); key !== undefined; key = reader.field()) {
      if (depth > MAX_PATH_DEPTH) throw new SnapshotError(`${parentPath}: too deep`)
      const name = keptName(key.startsWith('base64/') ? fromBase64(key.slice(7)) : textToBytes(key))
      const path = joinPath(parentPath, name)
      if (!reader.isObject) asFields(reader.value(), path)
      if (name === '' || name === '.' || name === '..' || name.includes('/')) {
        throw new SnapshotError(`${parentPath}: ${show(key)} cannot be a name`)
      }
      if (path.length > MAX_PATH_LENGTH) throw new SnapshotError(`${parentPath}: path too long`)
      if (parent.children.has(name)) throw new SnapshotError(`${path}: stands there twice`)
      this.#addChild(parent, name, path, depth)
    }
  }

  #addChild(parent: DirectoryNode, name: string, path: string, depth: number): void {
    let fields: Fields | undefined = this.#reader.flatObject()
    let node: Node | undefined
    if (fields === undefined) {
      ;[fields, node] = this.#fields(() => {
        const directory = new DirectoryNode(name, parent, 0)
        attach(parent, directory)
        this.#addChildren(directory, path, depth + 1)
        return directory
      })
    }
    if (node === undefined) {
      const { Children, Value, encoding } = fields
      if (Children !== null && Children !== undefined) asFields(Children, `${path}: Children`)
      node = new FileNode(name, parent, valueField(Value, encoding, path), 0)
      attach(parent, node)
    }
    if (pathField(fields) !== this.#prefix + path) {
      throw new SnapshotError(`${path}: Path is ${show(fields.Path)}`)
    }
    this.#setIndexes(node, fields, path)
    const expireTime = expiry(fields.ExpireTime, path)
    if (expireTime !== undefined) this.leases.add(node, expireTime)
  }

  /** Reads the fields of a node. @param onChildren reads its children, if it has any */
  #fields<Result>(onChildren: () => Result): [fields: Fields, result: Result | undefined] {
    const reader = this.#reader
    const fields = Object.create(null) as Fields
    let result: Result | undefined
    reader.enter()
    for (let name = reader.field(); name !== undefined; name = reader.field()) {
      if (name === 'Children' && reader.isObject && result === undefined) result = onChildren()
      else fields[name] = reader.value()
    }
    return [fields, result]
  }

  #setIndexes(node: Node, fields: Fields, path: string): void {
    node.createdIndex = asIndex(fields.CreatedIndex, `${path}: CreatedIndex`, this.#maxIndex)
    node.modifiedIndex = asIndex(fields.ModifiedIndex, `${path}: ModifiedIndex`, this.#maxIndex)
  }
}
