import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { describeWithPeer } from '../conformance/peers.ts'
import { Link } from './checker/link.ts'
import { type Group, startGroup } from './group.ts'
import { type Members, startMembers } from './members.ts'

const RULES = ['on', '>secret', '+@all', '~app/*', '~deep/a/b/*', '&news']

describeWithPeer('etcd', 'users of a group', () => {
  let members: Members
  let link: Link
  let group: Group
  let directory: string
  let admins: Redis[]
  let user: Redis

  beforeEach(async () => {
    members = await startMembers(1)
    link = await Link.to(Number(new URL(members.urls[0]).port))
    directory = mkdtempSync(join(tmpdir(), 'ktree-users-'))
    writeFileSync(join(directory, 'acl'), `user app ${RULES.join(' ')}\n`)
    group = await startGroup({ on: members, nodes: 0 })
    await group.add({
      directives: {
        'etcd-endpoints': [`http://127.0.0.1:${link.port}`],
        aclfile: join(directory, 'acl'),
        'audit-log': join(directory, 'audit'),
      },
    })
    await group.add()
    admins = [group.client(0), group.client(1)]
    user = group.client(0)
    await user.call('AUTH', 'app', 'secret')
  })
  afterEach(async () => {
    link.mend()
    await group.stop()
    await link.close()
    await members.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  async function expectSameStates(): Promise<void> {
    await Promise.all(admins.map((admin) => admin.call('KSYNC')))
    expect(await admins[1].call('KSAVE')).toBe(await admins[0].call('KSAVE'))
  }

  /** The revision of the last batch that a node has applied. */
  async function applied(admin: Redis): Promise<string> {
    await admin.call('KSYNC')
    return /group_applied_revision:(\d+)/.exec(await admin.info('cluster'))?.[1] ?? 'unknown'
  }

  test('are those of the node, which refuses before anything is in the log', async () => {
    expect(await user.call('ACL', 'WHOAMI')).toBe('app')
    await expect(group.client(1).call('AUTH', 'app', 'secret')).rejects.toThrow(/^WRONGPASS/)
    await user.set('app/x', '1')
    const before = await applied(admins[0])
    await expect(user.set('other', '1')).rejects.toThrow(/^NOPERM/)
    await expect(user.call('KDEL', '/', 'RECURSIVE')).rejects.toThrow(/^NOPERM/)
    await expect(user.publish('sports', 'x')).rejects.toThrow(/^NOPERM/)
    await expect(user.flushall()).rejects.toThrow(/^NOPERM/)
    await expect(user.multi().set('app/x', '2').set('other', '1').exec()).rejects.toThrow(/ABORT/)
    expect(await applied(admins[0])).toBe(before)
    expect(await admins[1].get('app/x')).toBe('1')
    expect(String(await admins[0].call('ACL', 'LOG'))).toContain('sports')
    expect(String(await admins[1].call('ACL', 'LOG'))).not.toContain('sports')
  })

  test('may use a file, and no directory that stands in its place by the time that the log has their request', async () => {
    await admins[0].call('ACL', 'SETUSER', 'app', '~x', '~y', '~moved', '~moved/*')
    await user.set('x', '1')
    expect(await user.call('EXPIRE', 'x', '1000')).toBe(1)
    expect(await user.call('PERSIST', 'x')).toBe(1)
    expect(await user.rename('x', 'moved/file')).toBe('OK')
    const replies = await user
      .pipeline()
      .call('KMKDIR', 'x')
      .call('EXPIRE', 'x', '1000')
      .call('PERSIST', 'x')
      .call('KUPDATE', 'x', '', 'TTL', '1000')
      .call('RENAME', 'x', 'moved/directory')
      .call('RENAME', 'moved/file', 'x')
      .call('KDEL', 'x', 'DIR')
      .call('SET', 'y', '2')
      .exec()
    const texts = replies?.slice(1, -1).map(([error]) => String(error?.message))
    for (const text of texts ?? []) expect(text).toMatch(/^NOPERM .*below/)
    expect(texts).toHaveLength(6)
    expect(String(await admins[0].call('ACL', 'LOG'))).toMatch(/^count,6,reason,key,/)
    expect(await admins[0].call('TTL', 'x')).toBe(-1)
    const inExec = await user
      .multi()
      .call('RENAME', 'y', 'moved/y')
      .call('KMKDIR', 'y')
      .call('EXPIRE', 'y', '1000')
      .call('RENAME', 'y', 'moved/directory')
      .call('SET', 'moved/y', '3')
      .exec()
    expect(inExec?.map(([error]) => error?.message.slice(0, 6))).toEqual([
      undefined,
      undefined,
      'NOPERM',
      'NOPERM',
      undefined,
    ])
    await expectSameStates()
    const tree = await admins[1].call('KGET', '/', 'RECURSIVE')
    expect(JSON.stringify(tree)).not.toMatch(/moved.directory|expiration/)
  })

  test('may move nothing that others put into a directory while their request is on its way', async () => {
    await admins[0].call('ACL', 'SETUSER', 'app', '~x', '~moved', '~moved/*')
    for (let round = 0; round < 10; round++) {
      const tries = Array.from({ length: 50 }, () => user.rename('x', 'moved/x').catch(String))
      await admins[1].set('x/secret', '1')
      await Promise.all(tries)
      await admins[0].call('KSYNC')
      expect(await admins[0].call('KDEL', 'x', 'RECURSIVE')).not.toBeNull()
      expect(await admins[0].get('moved/x/secret')).toBeNull()
    }
    await expectSameStates()
  })

  test('deny a request behind a write once, in ACL LOG and in the audit log', async () => {
    await admins[0].call('ACL', 'LOG', 'RESET')
    const denied = (): number =>
      readFileSync(join(directory, 'audit'), 'utf8').split('"event":"denied"').length
    const before = denied()
    const replies = (await user.pipeline().set('app/x', '1').get('other').exec()) ?? []
    expect(String(replies[1][0])).toContain('NOPERM')
    const [entry] = (await admins[0].call('ACL', 'LOG')) as unknown[][]
    expect(entry.slice(0, 2)).toEqual(['count', 1])
    expect(denied()).toBe(before + 1)
  })

  test('who may not make all requests of an EXEC any more make the others, at every node', async () => {
    await user.multi({ pipeline: false })
    await user.set('app/x', '1')
    await user.incr('deep/a/b/c')
    await user.get('app/x')
    await admins[0].call('ACL', 'SETUSER', 'app', 'resetkeys', '~deep/a/b/*')
    const replies = (await user.exec()) ?? []
    expect(replies.map(([error, reply]) => error?.message.slice(0, 6) ?? reply)).toEqual([
      'NOPERM',
      1,
      'NOPERM',
    ])
    await expectSameStates()
    expect(await admins[1].mget('app/x', 'deep/a/b/c')).toEqual([null, '1'])
  })

  test('whose rights end while a write is on its way have made it, at every node', async () => {
    const exec = (): Promise<unknown> => user.multi().set('app/x', '1').exec()
    const set = (): Promise<unknown> => user.set('app/y', '1')
    for (const act of [exec, set]) {
      await admins[0].call('ACL', 'SETUSER', 'app', 'resetkeys', '~app/*')
      const before = await applied(admins[1])
      link.deafen()
      const reply = act()
      // It is in etcd when the other node has it, and only the answer is missing.
      while ((await applied(admins[1])) === before) {}
      await admins[0].call('ACL', 'SETUSER', 'app', 'resetkeys')
      link.mend()
      expect(JSON.stringify(await reply)).toMatch(/^("OK"|\[\[null,"OK"\]\])$/)
    }
    await expectSameStates()
    expect(await admins[1].mget('app/x', 'app/y')).toEqual(['1', '1'])
  })

  test('are told in errors of no path above their own', async () => {
    await admins[1].set('deep/a', 'secret')
    await admins[0].call('KSYNC')
    const [single, queued] = [
      await user.call('KSET', '/deep/a/b/c/d', '1').catch((error: Error) => error.message),
      await user.multi().call('KSET', '/deep/a/b/c/d', '1').exec(),
    ]
    expect(single).toMatch(/Not a directory \(\/deep\/a\/b\/c\/d\)/)
    expect(String(queued?.[0][0])).toMatch(/Not a directory \(\/deep\/a\/b\/c\/d\)/)
  })

  test('who watch are told only what they may read, at every node', async () => {
    await admins[1].call('ACL', 'SETUSER', 'app', ...RULES)
    await admins[0].mset('deep/a/b/x', '1', 'deep/a/other', '1')
    await admins[1].call('KSYNC')
    const told = await Promise.all(
      [0, 1].map(async (node) => {
        const watcher = group.client(node)
        await watcher.call('AUTH', 'app', 'secret')
        const messages: string[] = []
        const last = new Promise<void>((resolve) =>
          watcher.on('message', (_, message: string) => {
            messages.push(message)
            if (message.includes('"delete"')) resolve()
          }),
        )
        await watcher.subscribe('/deep/a/b/x')
        return { messages, last }
      }),
    )
    await admins[1].set('deep/a/b/x', '2')
    await admins[1].set('deep/a/other', 'secret')
    await admins[1].call('KDEL', '/deep', 'RECURSIVE')
    for (const { last } of told) await last
    for (const { messages } of told) {
      expect(messages.map((message) => JSON.parse(message).node.key)).toEqual([
        '/deep/a/b/x',
        '/deep/a/b/x',
      ])
      expect(messages.join()).not.toMatch(/other|secret/)
    }
    expect(told[1].messages).toEqual(told[0].messages)
  })

  test('are named in the audit log of the node that was asked, also if they have gone meanwhile', async () => {
    const lines = (): Record<string, unknown>[] =>
      readFileSync(join(directory, 'audit'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ event }) => event === 'flush')
    await admins[0].call('ACL', 'SETUSER', 'app', '~*')
    await user.flushall()
    expect(lines()).toMatchObject([{ user: 'app', command: 'flushall' }])
    expect(lines()[0].address).toMatch(/^127\.0\.0\.1:\d+$/)
    const batches = await applied(admins[1])
    const id = await user.client('ID')
    link.deafen()
    const left = user.flushall().catch(() => {})
    while ((await applied(admins[1])) === batches) {}
    await admins[0].client('KILL', 'ID', id)
    await left
    link.mend()
    await admins[0].call('KSYNC')
    expect(lines()).toMatchObject([{ user: 'app' }, { user: 'app', command: 'flushall' }])
  })
})
