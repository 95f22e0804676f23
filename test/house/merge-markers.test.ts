import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const folders = ['src', 'test', 'docs', 'bench', 'conf', '.ci']

test('no file holds the marks of a merge that was not finished', () => {
  const inFolders = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  )
  const atTop = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(root, entry.name))
  const marked = [...inFolders, ...atTop].filter((path) =>
    /^(?:<{7} |={7}$|>{7} )/m.test(readFileSync(path, 'latin1')),
  )
  expect(marked).toEqual([])
})
