import { defineConfig } from 'vitest/config'

/**
 * Runs tests that were written for one server against nodes of a group: `startServer` makes each server
 * the only node of a group of its own, over one member of etcd.
 *
 * Tests of what a node of a group does not do are skipped, and their titles say why: see alone.ts.
 *
 *     npx vitest run --config test/cluster/group.config.ts test/commands test/conformance test/clients test/access
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
    globalSetup: ['test/clients/build.ts', 'test/cluster/one-member.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', './test/reporter.ts'],
  },
})
