import type { Directive } from './directive-value.ts'

/** What the directives below `tls-port` have in common. */
const SETTING = { group: 'TLS', mutable: true, protected: true, rare: true } as const
const TEXT = { ...SETTING, type: 'string', default: '' } as const
/** What a file is read for, whose content may change under the same name. */
const FILE = { ...TEXT, volatile: true } as const

/** The directives of encrypted connections, a part of the table in directives.ts. */
export const tlsDirectives = {
  'tls-port': {
    group: 'TLS',
    type: 'integer',
    min: 0,
    max: 65535,
    default: 0,
    mutable: false,
    help: 'TCP port for TLS connections; 0 for none',
    comment: 'With port 0 beside it, ktree serves encrypted connections only.',
  },
  'tls-cert-file': {
    ...FILE,
    help: 'Certificate of the server, as PEM',
    comment:
      'Certificates that lead to the authority follow it in the same file. CONFIG SET, even to the same name, and SIGHUP read the files anew: new connections get the new certificate, and those that are open stay.',
  },
  'tls-key-file': {
    ...FILE,
    help: 'Private key of that certificate, as PEM',
  },
  'tls-key-file-pass': {
    ...FILE,
    secret: true,
    help: 'Passphrase of the key; empty for none',
  },
  'tls-ca-cert-file': {
    ...FILE,
    help: 'Authorities of client certificates, as PEM',
  },
  'tls-ca-cert-dir': {
    ...FILE,
    help: 'Directory with such files',
    comment: 'Each file that holds a certificate counts, whatever its name.',
  },
  'tls-auth-clients': {
    ...SETTING,
    type: 'enum',
    values: ['no', 'yes', 'optional'],
    default: 'yes',
    help: 'Client certificates: yes, no, optional',
    comment:
      'yes: a client without a valid certificate is refused. optional: it may have none, but not an invalid one. no: it is not asked.',
  },
  'tls-auth-clients-user': {
    ...SETTING,
    type: 'enum',
    values: ['off', 'CN'],
    default: 'off',
    help: 'CN: log a client in as its certificate says',
    comment:
      'CN: the common name of a valid client certificate is the name of its user, and needs no password. If there is no such user, or it is off, the client begins like any other. off: clients log in with AUTH.',
  },
  'tls-protocols': {
    ...TEXT,
    help: 'Versions of TLS; empty for TLSv1.2 TLSv1.3',
    comment: 'One or more of TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3, in quotes.',
  },
  'tls-ciphers': {
    ...TEXT,
    help: 'Ciphers up to TLSv1.2, as OpenSSL lists them',
  },
  'tls-ciphersuites': {
    ...TEXT,
    help: 'Ciphers of TLSv1.3, as OpenSSL lists them',
  },
} as const satisfies Readonly<Record<string, Directive>>
