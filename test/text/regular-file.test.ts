import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfigFile } from '../../src/config/conf-file.ts'
import { Config } from '../../src/config/config.ts'
import { replaceFile } from '../../src/config/replace-file.ts'
import { readTlsSettings } from '../../src/server/tls/certificates.ts'
import { readRegularFile } from '../../src/text/regular-file.ts'
import { start } from '../server/raw-client.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'ktree-regular-'))
  execFileSync('mkfifo', [join(base, 'pipe')])
  mkdirSync(join(base, 'directory'))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

function tls(directive: string, path: string): void {
  const folder = new URL('../server/tls/certificates/', import.meta.url).pathname
  const config = new Config()
  config.set('tls-cert-file', [join(folder, 'server.crt')])
  config.set('tls-key-file', [join(folder, 'server.key')])
  config.set(directive, [path])
  readTlsSettings(config)
}

/** Each way in which a file that the configuration names is read. */
const readers: Readonly<Record<string, (path: string) => unknown>> = {
  'any file': readRegularFile,
  'the conf file': (path) => loadConfigFile(new Config(), path),
  'CONFIG REWRITE and ACL SAVE': (path) => replaceFile(path, 0o600, () => ''),
  aclfile: (path) => start({ directives: { aclfile: path } }),
  'tls-cert-file': (path) => tls('tls-cert-file', path),
  'tls-key-file': (path) => tls('tls-key-file', path),
  'tls-ca-cert-file': (path) => tls('tls-ca-cert-file', path),
}

const places: readonly [string, () => string][] = [
  ['a pipe', () => join(base, 'pipe')],
  ['a directory', () => join(base, 'directory')],
  ['a device', () => '/dev/zero'],
]

// A pipe would be waited for, and the test never end.
test.each(Object.keys(readers))('%s is read only from a file', async (name) => {
  for (const [kind, path] of places) {
    const read = async (): Promise<unknown> => await readers[name](path())
    await expect(read()).rejects.toThrow(`${path()} is ${kind}, and no file`)
  }
})

test('a file that is longer than its limit is not read', () => {
  const path = join(base, 'long')
  writeFileSync(path, '')
  truncateSync(path, 257 * 1024 ** 2)
  expect(() => readRegularFile(path)).toThrow(/is longer than \d+ bytes/)
})

test('/dev/null is an empty conf file', () => {
  expect(() => loadConfigFile(new Config(), '/dev/null')).not.toThrow()
})
