import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SEGMENT_HEADER_BYTES } from '../../src/log/segment.ts'
import { treeOf } from '../../src/persistence/data-directory.ts'
import { journalOf } from '../../src/persistence/journal-home.ts'
import { fileName, KIND } from '../../src/persistence/keys.ts'
import { Engine } from '../../src/persistence/level.ts'
import { keep, putRecords, recordsOf } from './support.ts'

/** Makes a closed tree. @returns also the record of one file before its last change */
async function makeTree() {
  const { store, persistence, directory } = await keep()
  const name = 'changed'
  store.set(`/${name}`, 'old')
  store.set('/stays', '1')
  await persistence.close(true)
  const isOfFile = ([key]: readonly [Buffer, Buffer]) =>
    key[0] === KIND.file && fileName(key) === name
  const before = (await recordsOf(directory)).filter(isOfFile)
  const second = await keep({ directory })
  second.store.set(`/${name}`, 'new')
  await second.persistence.close(true)
  return { directory, before }
}

async function remove(directory: string, kind: number): Promise<void> {
  const [key] = (await recordsOf(directory)).filter(([each]) => each[0] === kind).map(([k]) => k)
  const engine = await Engine.open(treeOf(directory))
  await engine.write(engine.batch().del(key), true)
  await engine.close()
}

// Every record has the right checksum: only the head shows that a record is old or missing.
test('an older version of a node is detected', async () => {
  const { directory, before } = await makeTree()
  await putRecords(directory, before)
  await expect(keep({ directory })).rejects.toThrow(
    'some of its nodes are older than they should be',
  )
})

test.each([
  ['a file', KIND.file, /it has 2 nodes and should have 3/],
  ['events', KIND.events, /a part of its history is missing/],
  ['the head', KIND.meta, /its head is missing/],
])('a missing record of %s is detected', async (_, kind, message) => {
  const { directory } = await makeTree()
  await remove(directory, kind)
  await expect(keep({ directory })).rejects.toThrow(message)
})

test.each([false, true])(
  'a removed segment of the journal is detected, although an empty one is left (saved: %s)',
  async (isSaved) => {
    const { store, persistence, directory } = await keep()
    store.set('/a', 'in the checkpoint')
    if (isSaved) await persistence.save()
    store.set('/b', 'in the journal')
    await persistence.close(false)
    const journal = journalOf(treeOf(directory))
    const [name, ...spare] = readdirSync(journal).sort()
    expect(spare.map((each) => statSync(join(journal, each)).size)).toEqual([SEGMENT_HEADER_BYTES])
    rmSync(join(journal, name))
    await expect(keep({ directory })).rejects.toThrow(
      new RegExp(`${name} is missing.*ktree repair`),
    )
  },
)
