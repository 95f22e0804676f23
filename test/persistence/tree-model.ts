import { fromFlat } from '../clients/flat-reply.ts'
import type { Reply } from '../server/raw-client.ts'

/** A node in an event. Its value is a binary string. */
export interface EventNode {
  readonly key: string
  readonly dir: boolean
  readonly value: string | undefined
  /** RFC 3339. */
  readonly expiration: string | undefined
  readonly modifiedIndex: number
  readonly createdIndex: number
}

export interface TreeEvent {
  readonly action: string
  readonly index: number
  readonly refresh: boolean
  readonly node: EventNode
  readonly prevNode: EventNode | undefined
}

type Fields = Record<string, unknown>

const toBytes = (text: unknown): string => Buffer.from(String(text), 'utf8').toString('latin1')
const fromBase64 = (text: unknown): string => Buffer.from(String(text), 'base64').toString('latin1')

/** @param decode makes binary strings: in JSON strings are text, in replies bytes */
function nodeOf(fields: Fields, decode: (text: unknown) => string): EventNode {
  const { value, encoding, key, keyEncoding } = fields
  return {
    key: keyEncoding === undefined ? decode(key) : fromBase64(key),
    dir: fields.dir === true || fields.dir === 1,
    value: value === undefined ? undefined : encoding ? fromBase64(value) : decode(value),
    expiration: fields.expiration as string | undefined,
    modifiedIndex: Number(fields.modifiedIndex),
    createdIndex: Number(fields.createdIndex),
  }
}

function eventOf(fields: Fields, decode: (text: unknown) => string): TreeEvent {
  const node = nodeOf(fields.node as Fields, decode)
  return {
    action: String(fields.action),
    index: Number(fields.index ?? node.modifiedIndex),
    refresh: fields.refresh === true,
    node,
    prevNode: fields.prevNode ? nodeOf(fields.prevNode as Fields, decode) : undefined,
  }
}

/** The event in a RESP2 reply. */
export function eventOfReply(reply: Reply, refresh: boolean): TreeEvent {
  return { ...eventOf(fromFlat(reply), String), refresh }
}

/** The event in a message to a watcher. */
export function eventOfMessage(json: string): TreeEvent {
  return eventOf(JSON.parse(Buffer.from(json, 'latin1').toString('utf8')), toBytes)
}

/** The state that KSAVE returns. */
export interface SavedState {
  readonly index: number
  readonly tree: TreeModel
  /** The history, oldest first. */
  readonly events: TreeEvent[]
  readonly stats: Readonly<Record<string, number>>
}

/** @param json as text, not as bytes */
export function readState(json: string): SavedState {
  const state = JSON.parse(json)
  const { Events, Size } = state.WatcherHub.EventHistory.Queue
  return {
    index: state.CurrentIndex,
    tree: TreeModel.ofSaved(state.Root),
    events: Events.slice(0, Size).map((event: Fields) => eventOf(event, toBytes)),
    stats: state.Stats,
  }
}

interface ModelNode {
  /** Absent on directories. */
  value: string | undefined
  expiration: string | undefined
  createdIndex: number
  modifiedIndex: number
  children: Map<string, ModelNode> | undefined
}

const NEVER = '0001-01-01T00:00:00Z'
const REMOVALS: readonly string[] = ['delete', 'compareAndDelete', 'expire']
/** The counter of KSTATS for each action. */
const COUNTERS: Readonly<Record<string, string>> = {
  create: 'createSuccess',
  set: 'setsSuccess',
  update: 'updateSuccess',
  delete: 'deleteSuccess',
  compareAndSwap: 'compareAndSwapSuccess',
  compareAndDelete: 'compareAndDeleteSuccess',
  expire: 'expireCount',
}

/** A tree made from events alone: the tree that the server should have. */
export class TreeModel {
  index = 0
  /** The number of events of each action, under the names of KSTATS. */
  readonly counters: Record<string, number> = {}
  readonly #root: ModelNode

  constructor(root?: ModelNode) {
    this.#root = root ?? directory(0)
    for (const name of Object.values(COUNTERS)) this.counters[name] = 0
  }

  /** The nodes of a saved state, without index and counters. */
  static ofSaved(root: Fields): TreeModel {
    return new TreeModel(savedNode(root))
  }

  /** The tree, index and counters of a saved state. */
  static ofState(state: SavedState): TreeModel {
    const model = state.tree.clone()
    model.index = state.index
    for (const name of Object.keys(model.counters)) model.counters[name] = state.stats[name]
    return model
  }

  clone(): TreeModel {
    const copy = new TreeModel(structuredClone(this.#root))
    copy.index = this.index
    Object.assign(copy.counters, this.counters)
    return copy
  }

  apply(event: TreeEvent): void {
    if (event.index !== this.index + 1) {
      throw new Error(`event ${event.index} follows event ${this.index}`)
    }
    this.index = event.index
    this.counters[COUNTERS[event.action]]++
    const { node } = event
    const names = node.key.slice(1).split('/')
    const name = names.pop() as string
    const removes = REMOVALS.includes(event.action)
    let parent = this.#root
    for (const each of names) {
      let child = parent.children?.get(each)
      if (child?.children === undefined) {
        if (removes) throw new Error(`event ${event.index} removes ${node.key}, which is not there`)
        child = directory(event.index)
        parent.children?.set(each, child)
      }
      parent = child
    }
    const old = parent.children?.get(name)
    if (removes) {
      if (!parent.children?.delete(name)) {
        throw new Error(`event ${event.index} removes ${node.key}, which is not there`)
      }
      return
    }
    // A node that replaces another is the last of its siblings, as in a Map.
    parent.children?.set(name, {
      value: node.value,
      expiration: node.expiration,
      createdIndex: node.createdIndex,
      modifiedIndex: node.modifiedIndex,
      children: node.dir ? (old?.children ?? new Map()) : undefined,
    })
  }

  /** The number of nodes, without the root. */
  get size(): number {
    return this.#lines().size - 1
  }

  /** The first node that another tree lacks, or that differs there; undefined if they are equal. */
  difference(other: TreeModel): string | undefined {
    const mine = this.#lines()
    const others = other.#lines()
    for (const [path, line] of mine) {
      const there = others.get(path)
      if (there !== line) return `${path}: ${line} here, ${there} there`
    }
    for (const [path, line] of others) {
      if (!mine.has(path)) return `${path}: nothing here, ${line} there`
    }
    return undefined
  }

  #lines(): Map<string, string> {
    const lines = new Map<string, string>()
    const visit = (node: ModelNode, path: string): void => {
      const { value, expiration, createdIndex, modifiedIndex, children } = node
      const content = children === undefined ? JSON.stringify(value) : 'directory'
      lines.set(path || '/', `${content} ${createdIndex} ${modifiedIndex} ${expiration}`)
      for (const [name, child] of children ?? []) visit(child, `${path}/${name}`)
    }
    visit(this.#root, '')
    return lines
  }
}

function directory(index: number): ModelNode {
  return {
    value: undefined,
    expiration: undefined,
    createdIndex: index,
    modifiedIndex: index,
    children: new Map(),
  }
}

function savedNode(saved: Fields): ModelNode {
  const decode = saved.encoding === undefined ? toBytes : fromBase64
  const children = saved.Children as Record<string, Fields> | null
  return {
    value: children === null ? decode(saved.Value) : undefined,
    expiration: saved.ExpireTime === NEVER ? undefined : String(saved.ExpireTime),
    createdIndex: Number(saved.CreatedIndex),
    modifiedIndex: Number(saved.ModifiedIndex),
    children: children === null ? undefined : savedChildren(children),
  }
}

function savedChildren(children: Record<string, Fields>): Map<string, ModelNode> {
  const byName = new Map<string, ModelNode>()
  for (const [key, child] of Object.entries(children)) {
    const name = key.startsWith('base64/') ? fromBase64(key.slice(7)) : toBytes(key)
    byName.set(name, savedNode(child))
  }
  return byName
}
