import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { FORMAT_VERSION } from '../../src/cluster/batch-value.ts'
import { LocalCopy } from '../../src/cluster/local-copy.ts'

test('a copy takes the place of what a process has left that was killed while it wrote one', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ktree-copy-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  const copy = new LocalCopy(join(dir, 'node-copy'))
  const head = {
    ...{ format: FORMAT_VERSION, revision: 7, time: 1, changes: 0, recent: [] },
    ...{ log: 'a', batch: { node: 'n', number: 1 } },
  }
  await copy.write(head, ['first'])
  const names = readdirSync(dir)
  // As it would be if the process had been killed before it gave the file its name.
  let left = ''
  const killed = copy.write(head, {
    *[Symbol.iterator]() {
      left = readdirSync(dir).find((name) => !names.includes(name)) ?? ''
      yield 'second'
    },
  })
  await killed
  // It is another process that goes on.
  vi.spyOn(process, 'pid', 'get').mockReturnValue(process.pid + 1)
  onTestFinished(() => void vi.restoreAllMocks())
  writeFileSync(join(dir, left), 'x'.repeat(10_000))
  const next = new LocalCopy(join(dir, 'node-copy'))
  expect((await next.read())?.state.toString()).toBe('second')
  await next.write(head, ['third'])
  expect(readdirSync(dir)).toEqual(['node-copy'])
  expect((await next.read())?.state.toString()).toBe('third')
})
