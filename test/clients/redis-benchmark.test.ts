import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { describeWithPeer, requirePeer } from '../conformance/peers.ts'
import { start } from '../server/raw-client.ts'

const TESTS = ['ping_inline', 'ping_mbulk', 'set', 'get', 'incr', 'mset']

describeWithPeer('redis-benchmark', 'redis-benchmark', () => {
  test.each([1, 16])('runs its own tests unmodified, pipelined by %i', async (pipeline) => {
    const server = await start()
    const { stdout, stderr } = await promisify(execFile)(requirePeer('redis-benchmark'), [
      ...['-h', '127.0.0.1', '-p', String(server.port), '-P', String(pipeline)],
      ...['-t', TESTS.join(','), '-n', '1000', '-c', '10', '-r', '100', '--csv'],
    ])
    // First it reads the directives save and appendonly.
    expect(stderr).toBe('')
    // A line of headings, and one for each test. The program ends at the first error reply.
    expect(stdout.trim().split('\n')).toHaveLength(1 + TESTS.length)
    // At most a hundred random keys, and some that are fixed.
    expect(server.store.files).toBeGreaterThan(50)
    expect(server.store.stats.setsSuccess).toBeGreaterThan(1000)
    expect(server.store.stats.setsFail + server.store.stats.updateFail).toBe(0)
  })
})
