import { SnapshotError } from '../errors.ts'
import { EventHistory, type HistoryLimits } from '../history/event-history.ts'
import { MAX_SAVED_COUNT, MAX_SAVED_INDEX } from '../index-ceiling.ts'
import { STAT_NAMES, Stats } from '../stats.ts'
import type { LeaseList } from '../tree/lease-list.ts'
import type { DirectoryNode } from '../tree/node.ts'
import { readHistory } from './history-parser.ts'
import { FieldNames, JsonReader, startsIn, valueAt } from './json-reader.ts'
import { asFields, asIndex, show, WRITER } from './saved-fields.ts'
import { TreeParser } from './tree-parser.ts'

/** A saved state that has been read and checked. */
export interface Snapshot {
  root: DirectoryNode
  leases: LeaseList
  history: EventHistory
  index: number
  stats: Stats
}

const STATE_FIELDS = ['CurrentVersion', 'CurrentIndex', 'Root', 'WatcherHub', 'Stats', 'Writer']
const STATS_FIELDS = new FieldNames(STAT_NAMES)

/** etcd's server keeps the clients' keys below this directory, and its own keys below `/0`. */
const KEYS_NAMESPACE = '/1'

/**
 * Checks a document from top to bottom and makes a state of it.
 *
 * @param isCopy whether it is the copy of a store of a group, to be taken as it is
 * @throws SnapshotError; SyntaxError if it is not JSON
 */
export function parseSnapshot(json: Buffer, limits: HistoryLimits, isCopy: boolean): Snapshot {
  const reader = new JsonReader(json)
  if (!reader.isObject) asFields(reader.value(), 'the state')
  const starts = new Map<string, number>()
  reader.enter()
  for (let name = reader.field(); name !== undefined; name = reader.field()) {
    const start = reader.skip()
    if (STATE_FIELDS.includes(name)) starts.set(name, start)
  }
  reader.end()
  const named = (name: string): unknown => valueAt(json, starts.get(name))
  const version = named('CurrentVersion')
  if (version !== 2) throw new SnapshotError(`CurrentVersion is ${show(version)}, expected 2`)
  const index = asIndex(named('CurrentIndex'), 'CurrentIndex', MAX_SAVED_INDEX)
  const saved = starts.get('Root')
  if (saved === undefined) throw new SnapshotError('Root is missing, expected an object')
  const isOwn = isCopy || named('Writer') === WRITER
  const { root, leases, prefix } = isOwn
    ? readNodes(json, saved, index, '')
    : readForeignTree(json, saved, index)
  const history = new EventHistory(limits)
  readHistory(history, json, starts.get('WatcherHub'), index, prefix)
  const stats = readStats(json, starts.get('Stats'), isCopy)
  return { root, leases, history, index, stats }
}

/** @param start of the root @param prefix of all paths in the document */
function readNodes(json: Buffer, start: number, index: number, prefix: string): Tree {
  const parser = new TreeParser(new JsonReader(json, start), index, prefix)
  return { root: parser.root(), leases: parser.leases, prefix }
}

/**
 * The clients' keys, and what their paths begin with, in a document that does not name its writer.
 *
 * @param start of the root
 */
function readForeignTree(json: Buffer, start: number, index: number): Tree {
  const namespace = keysNamespace(json, start)
  return namespace === undefined
    ? readNodes(json, start, index, '')
    : readNodes(json, namespace, index, KEYS_NAMESPACE)
}

interface Tree {
  readonly root: DirectoryNode
  readonly leases: LeaseList
  readonly prefix: string
}

/**
 * Where the clients' keys are in the state of a whole etcd server; undefined in any other state. A server
 * makes two directories at index 0, before any write, and a third one if it has users. In other
 * states only the root can have that index.
 *
 * @param root where it begins
 */
function keysNamespace(json: Buffer, root: number): number | undefined {
  const children = startsIn(json, root, ['Children']).get('Children')
  if (children === undefined) return undefined
  const found = startsIn(json, children, ['0', '1'])
  for (const name of ['0', '1']) {
    const start = found.get(name)
    if (start === undefined) return undefined
    const reader = new JsonReader(json, start)
    if (!reader.isObject) asFields(reader.value(), `/${name}`)
    const created = startsIn(json, start, ['CreatedIndex']).get('CreatedIndex')
    if (valueAt(json, created) !== 0) return undefined
  }
  return found.get('1')
}

/** @param isExact whether high counters stay as they are, because other nodes count on from them */
function readStats(json: Buffer, start: number | undefined, isExact: boolean): Stats {
  const stats = new Stats()
  const saved = valueAt(json, start)
  if (start === undefined || saved === null) return stats
  asFields(saved, 'Stats')
  const fields = new JsonReader(json, start).object(STATS_FIELDS)
  for (const name of STAT_NAMES) {
    const count = asIndex(fields[name] ?? 0, `Stats: ${name}`, Number.MAX_SAFE_INTEGER)
    stats[name] = isExact ? count : Math.min(count, MAX_SAVED_COUNT)
  }
  return stats
}
