import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { describeWithPeer, findPeer, startEtcd, startRedis } from './peers.ts'

test('a program that is not on the PATH is not found', () => {
  const path = process.env.PATH
  try {
    process.env.PATH = '/nonexistent'
    expect(findPeer('etcd')).toBeUndefined()
  } finally {
    if (path !== undefined) process.env.PATH = path
  }
})

const refused = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', () => resolve(true))
  })

describeWithPeer('redis-server', 'a Redis started for a test', () => {
  test('answers until it is stopped', async () => {
    const redis = await startRedis()
    expect(await refused(redis.port)).toBe(false)
    await redis.stop()
    expect(await refused(redis.port)).toBe(true)
  })

  test('says why it did not start', async () => {
    await expect(startRedis(['--nonsense', '1'])).rejects.toThrow('Bad directive')
  })
})

describeWithPeer('etcd', 'an etcd started for a test', () => {
  test('accepts a write on its v2 API, and leaves no files behind', async () => {
    const etcd = await startEtcd()
    try {
      const body = new URLSearchParams({ value: 'bar' })
      const response = await fetch(`${etcd.url}/v2/keys/foo`, { method: 'PUT', body })
      expect(await response.json()).toMatchObject({ action: 'set', node: { value: 'bar' } })
    } finally {
      await etcd.stop()
    }
    expect(existsSync(etcd.dataDir)).toBe(false)
  })
})
