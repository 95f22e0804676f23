import { SnapshotError } from '../errors.ts'
import { joinPath, MAX_PATH_DEPTH, MAX_PATH_LENGTH } from '../path.ts'
import { fromBase64, textToBytes } from '../text.ts'
import { keptName } from '../tree/kept-name.ts'
import { LeaseList } from '../tree/lease-list.ts'
import { attach, DirectoryNode, FileNode, type Node } from '../tree/node.ts'
import { FieldNames, type Fields, type JsonReader } from './json-reader.ts'
import { asFields, asIndex, expiry, pathField, show, valueField } from './saved-fields.ts'

const NODE_FIELDS = new FieldNames([
  ...['Path', 'pathEncoding', 'CreatedIndex', 'ModifiedIndex', 'ExpireTime'],
  ...['Value', 'encoding', 'Children'],
])

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
    let hasChildren = false
    const fields = this.#fields(() => {
      this.#addChildren(root, '/', 1)
      hasChildren = true
    })
    if (!hasChildren) asFields(fields.Children, 'Root: Children')
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
    let fields = this.#reader.flatObject(NODE_FIELDS)
    let node: Node | undefined
    if (fields === undefined) {
      fields = this.#fields(() => {
        const directory = new DirectoryNode(name, parent, 0)
        attach(parent, directory)
        this.#addChildren(directory, path, depth + 1)
        node = directory
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

  /** Reads the fields of a node. @param readChildren reads its children; called once, if it has any */
  #fields(readChildren: () => void): Fields {
    const reader = this.#reader
    let isRead = false
    return reader.object(NODE_FIELDS, (name) => {
      if (name !== 'Children' || isRead) return reader.value()
      isRead = true
      return readChildren()
    })
  }

  #setIndexes(node: Node, fields: Fields, path: string): void {
    node.createdIndex = asIndex(fields.CreatedIndex, `${path}: CreatedIndex`, this.#maxIndex)
    node.modifiedIndex = asIndex(fields.ModifiedIndex, `${path}: ModifiedIndex`, this.#maxIndex)
  }
}
