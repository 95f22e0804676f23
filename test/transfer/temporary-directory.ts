import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'

/** Makes a directory for each test. @returns a function for paths in it */
export function useTemporaryDirectory(): (...names: string[]) => string {
  let directory = ''
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'ktree-transfer-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))
  return (...names) => join(directory, ...names)
}
