import { pino } from 'pino'
import { expect, test } from 'vitest'
import { treeOf } from '../../src/persistence/data-directory.ts'
import { DataHome } from '../../src/persistence/data-home.ts'
import { readMarker } from '../../src/persistence/marker.ts'
import { temporaryDirectory } from './support.ts'

test('of marks that are made at the same time the last one stays, and is whole', async () => {
  const directory = temporaryDirectory()
  const { home } = await DataHome.claim(directory, undefined, pino({ level: 'silent' }))
  const tree = treeOf(directory)
  for (let round = 0; round < 20; round++) {
    // They differ in length.
    const marks = [home.mark(true), home.mark(false, false), home.mark(true, false)]
    await Promise.all(marks)
    expect(await readMarker(tree)).toEqual({ batch: 0, exact: true, boot: '' })
    void home.mark(true)
  }
  await home.close()
  expect((await readMarker(tree)).boot).not.toBe('')
})
