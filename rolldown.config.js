import { defineConfig } from 'rolldown'

/**
 * The program in one file: to find, read and link some 150 would be a third of the time of a start
 * (docs/decisions/0010). What a plain start does not load, `ktree import` and the like, is in files of
 * its own beside it. The library, dist/index.js, stays as tsc has written it.
 */
export default defineConfig({
  input: 'src/main.ts',
  platform: 'node',
  logLevel: 'warn',
  // Packages stay where npm has put them: classic-level looks for its addon there.
  external: /^[^./]/,
  output: {
    dir: 'dist',
    chunkFileNames: 'main-[name].js',
    sourcemap: true,
  },
})
