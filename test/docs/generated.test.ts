import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { applyConfigText, parseConfigLines } from '../../src/config/conf-file.ts'
import { Config } from '../../src/config/config.ts'
import { directiveNames } from '../../src/config/directives.ts'
import { generatedFiles } from '../../src/docs/generate.ts'

const top = new URL('../../', import.meta.url)

test.each(Object.entries(generatedFiles))('%s is up to date (make docs)', (path, generate) => {
  expect(readFileSync(new URL(path, top), 'utf8')).toBe(generate())
})

test('conf/ktree.conf has every directive once, with its default', () => {
  const text = readFileSync(new URL('conf/ktree.conf', top), 'latin1')
  const names = parseConfigLines(text).flatMap(({ name }) => name ?? [])
  expect(names).toEqual(directiveNames)
  const config = new Config()
  applyConfigText(config, text, 'conf/ktree.conf')
  expect(directiveNames.filter((name) => !config.isDefault(name))).toEqual([])
})
