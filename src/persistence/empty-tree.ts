import { type Dirent, existsSync, readdirSync } from 'node:fs'
import { JournalReader } from '../log/journal-reader.ts'
import { sequenceIn } from '../log/segment.ts'
import { journalOf } from './journal-home.ts'
import { metaKey } from './keys.ts'
import type { Engine } from './level.ts'
import { decodeMeta } from './meta.ts'

/** What LevelDB and ktree have in a tree, beside the journal. */
const OWN_NAME = /^(CURRENT|KTREE|KTREE\.new|MANIFEST-\d+|\d+\.(log|ldb|sst|dbtmp))$/
/** What LevelDB makes before it has anything to keep. */
const PASSING_NAME = /^(LOCK|LOG|LOG\.old)$/

/**
 * What the place of a tree holds, by the names in it: nothing that anybody needs, a tree, or something else. Reads no
 * file.
 */
export function contentOf(tree: string): 'nothing' | 'tree' | 'foreign' {
  let entries: Dirent[]
  try {
    entries = readdirSync(tree, { withFileTypes: true })
  } catch {
    return 'foreign'
  }
  const kept = entries.filter((entry) => !(entry.isFile() && PASSING_NAME.test(entry.name)))
  if (kept.length === 0) return 'nothing'
  const isOwn = kept.every((entry) =>
    entry.name === 'journal' ? hasOnlySegments(entry, tree) : OWN_NAME.test(entry.name),
  )
  return isOwn ? 'tree' : 'foreign'
}

function hasOnlySegments(entry: Dirent, tree: string): boolean {
  if (!entry.isDirectory()) return false
  const entries = readdirSync(journalOf(tree), { withFileTypes: true })
  return entries.every((each) => each.isFile() && sequenceIn(each.name) !== undefined)
}

/**
 * Whether nothing has surely ever been written to a tree: neither its checkpoint nor its journal has anything.
 *
 * @param engine the tree, or a copy of it without the journal
 */
export async function isEmpty(engine: Engine, tree: string): Promise<boolean> {
  try {
    const head = await engine.get(metaKey)
    if (head === undefined) return (await engine.isEmpty()) && hasNoRecord(tree)
    const { index, nodes } = decodeMeta(head)
    // A tree that was imported may have nodes, although its index is 0. The root counts as one.
    if (index > 0 || nodes > 1) return false
    return hasNoRecord(tree)
  } catch {
    // Unreadable data is not empty.
    return false
  }
}

/** @throws JournalError if the journal is damaged */
function hasNoRecord(tree: string): boolean {
  const path = journalOf(tree)
  if (!existsSync(path)) return true
  const reader = new JournalReader(path)
  for (const { payload } of reader.records()) if (payload.length > 0) return false
  return reader.torn === undefined
}
