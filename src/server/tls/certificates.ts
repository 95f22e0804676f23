import { X509Certificate } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  createSecureContext,
  DEFAULT_CIPHERS,
  type SecureContextOptions,
  type SecureVersion,
} from 'node:tls'
import { type Config, pathFromBytes } from '../../config/config.ts'
import { readRegularFile } from '../../text/regular-file.ts'

const VERSIONS: readonly SecureVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']
const USUAL_VERSIONS: readonly SecureVersion[] = ['TLSv1.2', 'TLSv1.3']
/** The names of TLSv1.3's ciphers begin so; node takes both kinds in one list. */
const SUITE = /^TLS_/

/** What the directives `tls-...` ask for, read from their files. */
export interface TlsSettings {
  readonly options: SecureContextOptions
  /** Whether clients are asked for a certificate. */
  readonly asks: boolean
  /** Whether a client without a certificate is refused. */
  readonly requires: boolean
  /** Whether a client certificate's common name is its user. */
  readonly namesUser: boolean
  /** The server's own certificate. */
  readonly own: X509Certificate
}

/**
 * Reads certificates and key, and checks that they fit.
 *
 * @throws Error that says which directive is at fault
 */
export function readTlsSettings(config: Config): TlsSettings {
  const cert = readNamed(config, 'tls-cert-file')
  const key = readNamed(config, 'tls-key-file')
  const asking = config.get('tls-auth-clients')
  const ca = readAuthorities(config)
  if (asking !== 'no' && ca.length === 0) {
    throw new Error(
      'tls-ca-cert-file or tls-ca-cert-dir must name a certificate, unless tls-auth-clients is no',
    )
  }
  const passphrase = Buffer.from(config.get('tls-key-file-pass'), 'latin1').toString()
  const options: SecureContextOptions = {
    cert,
    key,
    ...(passphrase !== '' && { passphrase }),
    ...(ca.length > 0 && { ca }),
    ...versionsOf(config.get('tls-protocols')),
    ciphers: ciphersOf(config.get('tls-ciphers'), config.get('tls-ciphersuites')),
  }
  // Throws what the server would throw at each handshake: a key that does not fit, a bad cipher.
  createSecureContext(options)
  return {
    options,
    asks: asking !== 'no',
    requires: asking === 'yes',
    namesUser: config.get('tls-auth-clients-user') === 'CN',
    own: new X509Certificate(cert),
  }
}

function readNamed(config: Config, name: 'tls-cert-file' | 'tls-key-file'): Buffer {
  const file = pathFromBytes(config.get(name))
  if (file === '') throw new Error(`No ${name} configured!`)
  return readRegularFile(file)
}

/** The certificates of the authorities that client certificates may come from. */
function readAuthorities(config: Config): Buffer[] {
  const file = pathFromBytes(config.get('tls-ca-cert-file'))
  const directory = pathFromBytes(config.get('tls-ca-cert-dir'))
  const found = directory === '' ? [] : readdirSync(directory).map((name) => join(directory, name))
  const inDirectory = found
    .filter((path) => statSync(path).isFile())
    .map((path) => readRegularFile(path))
    .filter((content) => content.includes('-----BEGIN CERTIFICATE-----'))
  return file === '' ? inDirectory : [readRegularFile(file), ...inDirectory]
}

/** @param text `tls-protocols` */
function versionsOf(text: string): { minVersion: SecureVersion; maxVersion: SecureVersion } {
  const words = text.split(/\s+/).filter(Boolean)
  const asked = words.map((word) => {
    const version = VERSIONS.find((each) => each.toLowerCase() === word.toLowerCase())
    if (version !== undefined) return version
    throw new Error(
      "Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'.",
    )
  })
  const versions = VERSIONS.filter((version) =>
    (asked.length > 0 ? asked : USUAL_VERSIONS).includes(version),
  )
  return { minVersion: versions[0], maxVersion: versions[versions.length - 1] }
}

/** Node's list of ciphers, with the part that is not asked for as it is by default. */
function ciphersOf(ciphers: string, suites: string): string {
  const usual = DEFAULT_CIPHERS.split(':')
  const list = ciphers !== '' ? ciphers : usual.filter((name) => !SUITE.test(name)).join(':')
  const suiteList = suites !== '' ? suites : usual.filter((name) => SUITE.test(name)).join(':')
  return `${suiteList}:${list}`
}
