import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import { startServer } from '../../src/server/start.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { Link } from './checker/link.ts'
import { type Group, startGroup } from './group.ts'
import { ask, base64, type Members, startMembers } from './members.ts'

const certificate = (name: string): string =>
  fileURLToPath(new URL(`../server/tls/certificates/${name}`, import.meta.url))

const SERVED_WITH = [
  ...['--cert-file', certificate('server.crt'), '--key-file', certificate('server.key')],
  ...['--trusted-ca-file', certificate('authority.crt'), '--client-cert-auth'],
]
const ALICE = {
  'etcd-ca-file': certificate('authority.crt'),
  'etcd-cert-file': certificate('alice.crt'),
  'etcd-key-file': certificate('alice.key'),
}

describeWithPeer('etcd', 'an etcd that asks who is there', () => {
  let members: Members
  let group: Group | undefined

  afterEach(async () => {
    await group?.stop()
    group = undefined
    await members.stop()
  })

  /** Starts nodes with these directives, and has two of them share a write. */
  async function expectShared(directives: Record<string, string>): Promise<void> {
    group = await startGroup({ on: members, nodes: 2, directives })
    const [a, b] = [group.client(0), group.client(1)]
    expect(await a.set('x', '1')).toBe('OK')
    await b.call('KSYNC')
    expect(await b.get('x')).toBe('1')
  }

  /** Starts a node that must not get in. Resolves when its log says why, be etcd ever so slow to tell. */
  function expectRefusal(directives: Record<string, string>, why: RegExp): Promise<void> {
    return new Promise((resolve) => {
      const tell = (line: string): void => {
        if (why.test(line)) resolve()
      }
      const logger = pino({ level: 'warn' }, { write: tell })
      const endpoints = { 'etcd-endpoints': members.urls }
      const start = startServer({ logger, directives: { ...endpoints, ...directives } })
      start.catch((error: Error) => tell(error.message))
    })
  }

  async function addRoot(password: string): Promise<void> {
    const [url] = members.urls
    await ask(url, 'auth/role/add', { name: 'root' })
    await ask(url, 'auth/user/add', { name: 'root', password })
    await ask(url, 'auth/user/grant', { user: 'root', role: 'root' })
  }

  test('by TLS with certificates of both sides', async () => {
    const warnings: Error[] = []
    const note = (warning: Error): void => void warnings.push(warning)
    process.on('warning', note)
    members = await startMembers(1, SERVED_WITH, 'https')
    expect(members.urls[0]).toContain('127.0.0.1')
    await expectShared(ALICE)
    process.off('warning', note)
    // Node.js would tell once in a process of an address that is sent as a name.
    expect(warnings).toEqual([])
  })

  test('by TLS, and its certificate names another address', async () => {
    members = await startMembers(1, SERVED_WITH, 'https')
    const { port } = new URL(members.urls[0])
    const link = await Link.to(Number(port), '127.0.0.2')
    const endpoints = `https://127.0.0.2:${link.port}`
    await expectRefusal(
      { ...ALICE, 'etcd-endpoints': endpoints },
      /waiting for etcd: .*not match certificate's altnames/,
    )
    await link.close()
  })

  test('by TLS, and somebody has no certificate, or another authority', async () => {
    members = await startMembers(1, SERVED_WITH, 'https')
    const { 'etcd-ca-file': authority, ...own } = ALICE
    await expectRefusal(
      { ...own, 'etcd-ca-file': certificate('stranger.crt') },
      /waiting for etcd: .*(certificate|signature)/i,
    )
    await expectRefusal({ 'etcd-ca-file': authority }, /waiting for etcd: .*/)
  })

  test('by a user with a password', async () => {
    members = await startMembers(1)
    await addRoot('secret')
    await ask(members.urls[0], 'auth/enable', {})
    await expectRefusal(
      { 'etcd-user': 'root', 'etcd-password': 'wrong' },
      /authentication failed, invalid user ID or password/,
    )
    await expectRefusal({}, /user name is empty/)
    await expectShared({ 'etcd-user': 'root', 'etcd-password': 'secret' })
  })

  test('by a user who may write below the prefix only', async () => {
    members = await startMembers(1)
    const [url] = members.urls
    await addRoot('secret')
    await ask(url, 'auth/role/add', { name: 'tree' })
    const range = { key: base64('/'), range_end: base64('0') }
    await ask(url, 'auth/role/grant', { name: 'tree', perm: { permType: 'READWRITE', ...range } })
    await ask(url, 'auth/user/add', { name: 'ktree', password: 'x' })
    await ask(url, 'auth/user/grant', { user: 'ktree', role: 'tree' })
    await ask(url, 'auth/enable', {})
    await expectShared({ 'etcd-user': 'ktree', 'etcd-password': 'x' })
  })

  test('and forgets who it was: a changed password ends all tokens', async () => {
    members = await startMembers(1)
    const [url] = members.urls
    await addRoot('secret')
    await ask(url, 'auth/enable', {})
    await expectShared({ 'etcd-user': 'root', 'etcd-password': 'secret' })
    const [a, b] = [(group as Group).client(0), (group as Group).client(1)]
    for (let i = 2; i < 6; i++) {
      const root = { name: 'root', password: 'secret' }
      const { token } = await ask(url, 'auth/authenticate', root)
      await ask(url, 'auth/user/changepw', root, token)
      expect(await a.incr('x')).toBe(i)
      await b.call('KSYNC')
      expect(await b.get('x')).toBe(String(i))
    }
  })
})
