import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { treeOf } from '../../src/persistence/data-directory.ts'
import { toValue } from '../../src/store/value.ts'
import { contentOf, keep, temporaryDirectory } from './support.ts'

/** Directories that an earlier ktree has written, and what was in them. */
const directories = JSON.parse(
  readFileSync(new URL('./format-1.json', import.meta.url), 'utf8'),
) as Record<string, { files: Record<string, string>; state: State }>

interface State {
  Root: object
  CurrentIndex: number
  Stats: Record<string, number>
  WatcherHub: { EventHistory: { Queue: { Events: object[] } } }
}

function written(name: string): string {
  const directory = temporaryDirectory()
  const tree = treeOf(directory)
  mkdirSync(tree, { recursive: true })
  for (const [file, content] of Object.entries(directories[name].files)) {
    writeFileSync(join(tree, file), Buffer.from(content, 'base64'))
  }
  return directory
}

test.each(['stopped', 'killed'])(
  'a directory of format 1 is read and goes on (%s)',
  async (end) => {
    const directory = written(end)
    const first = await keep({ directory, watchHistory: 50 })
    const { state } = directories[end]
    const { watchers: _, ...stats } = state.Stats
    expect(contentOf(first.store)).toMatchObject({
      root: state.Root,
      index: state.CurrentIndex,
      stats,
    })
    expect(first.store.history.size).toBe(state.WatcherHub.EventHistory.Queue.Events.length)
    first.store.set('/a', 'new')
    first.store.set('/large', toValue('x'.repeat(100_000)))
    await first.persistence.close(false)
    const marker = JSON.parse(readFileSync(join(treeOf(directory), 'KTREE'), 'utf8'))
    expect(marker.format).toBe(3)
    const second = await keep({ directory, watchHistory: 50 })
    expect(contentOf(second.store)).toEqual(contentOf(first.store))
    await second.persistence.close(true)
    const third = await keep({ directory, watchHistory: 50 })
    expect(contentOf(third.store)).toEqual(contentOf(first.store))
  },
)
