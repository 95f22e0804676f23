import { expect, test } from 'vitest'
import { directiveNames } from '../../src/config/directives.ts'
import { didYouMean } from '../../src/text/did-you-mean.ts'

test.each([
  ['prot', 'port'],
  ['Ports', 'port'],
  ['bnid', 'bind'],
  ['max-clients', 'maxclients'],
  ['watchhistory', 'watch-history'],
  ['client-output-buffer', 'client-output-buffer-limit'],
  ['log-file', 'logfile'],
  ['requirep', 'requirepass'],
  ['sovepaint', undefined],
  ['x', undefined],
  ['', undefined],
  ['appendfsync', undefined],
])('%j is meant to be %j', (word, name) => {
  expect(didYouMean(word, directiveNames)).toBe(name)
})

test('a word of any length gets an answer', () => {
  expect(didYouMean('p'.repeat(1_000_000), directiveNames)).toBeUndefined()
})
