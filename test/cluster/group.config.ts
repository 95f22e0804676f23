import { defineConfig } from 'vitest/config'

/**
 * Runs tests that were written for one server against nodes of a group: `startServer` makes each server
 * the only node of a group of its own, over one member of etcd.
 *
 * Tests of `dir` and of values that grow beyond `proto-max-bulk-len` fail: see docs/cluster.md.
 *
 *     npx vitest run --config test/cluster/group.config.ts test/commands test/conformance test/clients
 */
export default defineConfig({
  plugins: [
    {
      name: 'nodes-for-servers',
      enforce: 'pre',
      async resolveId(source, importer, options) {
        if (!source.endsWith('/src/server/start.ts') || importer === undefined) return null
        if (importer.includes('/test/cluster/')) return null
        return this.resolve('/test/cluster/start-node.ts', importer, { ...options, skipSelf: true })
      },
    },
  ],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/cluster/one-member.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', './test/reporter.ts'],
  },
})
