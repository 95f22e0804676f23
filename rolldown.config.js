import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'rolldown'

/** What is started, dist/main.js: it loads the program. */
const launcher = defineConfig({
  input: 'src/main.ts',
  platform: 'node',
  logLevel: 'warn',
  output: { dir: 'dist', comments: false, sourcemap: true },
})

/**
 * The program in one file, packages included: to find, read and link all of them takes longer than to
 * run them (docs/decisions/0010). What a plain start does not load, `ktree import` and the like, is in
 * files of its own beside it. The library, dist/index.js, stays as tsc has written it.
 *
 * It is CommonJS, for V8 keeps compiled code of scripts, not of modules.
 */
const program = defineConfig({
  input: 'src/program.ts',
  platform: 'node',
  logLevel: 'warn',
  // The other files take from it what they need of it.
  preserveEntrySignatures: 'allow-extension',
  plugins: [nativeBinding(), withoutWorkers(), oneByteText(), licences()],
  output: {
    dir: 'dist',
    format: 'cjs',
    strict: true,
    entryFileNames: 'program.cjs',
    chunkFileNames: 'program-[name].cjs',
    comments: false,
    sourcemap: true,
  },
})

export default [launcher, program]

/** classic-level's addon stays where npm has put it. */
function nativeBinding() {
  return {
    name: 'native-binding',
    load(id) {
      if (!id.endsWith('/classic-level/binding.js')) return null
      return `const { dirname } = require('node:path')
        module.exports = require('node-gyp-build')(dirname(require.resolve('classic-level/package.json')))`
    },
  }
}

/** pino's way to log from another thread, which ktree has no use for. */
function withoutWorkers() {
  return {
    name: 'without-workers',
    load(id) {
      if (!id.endsWith('/pino/lib/transport.js')) return null
      return `module.exports = () => { throw new Error("pino's transports are not in the program") }`
    },
  }
}

/** V8 holds a text in one byte a character if it can, and node reads it faster. */
function oneByteText() {
  const escape = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return {
    name: 'one-byte-text',
    generateBundle(_, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type === 'chunk') chunk.code = chunk.code.replace(/[^\0-\x7f]/g, escape)
      }
    },
  }
}

/** The licences of the packages that are in the bundle ask for their texts to go with it. */
function licences() {
  return {
    name: 'licences',
    generateBundle(_, bundle) {
      const modules = Object.values(bundle).flatMap(({ moduleIds = [] }) => moduleIds)
      const folders = modules.map((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0])
      const packages = [...new Set(folders)].filter((folder) => folder !== undefined)
      const source = packages.map(licence).sort().join('\n\n')
      this.emitFile({ type: 'asset', fileName: 'program.LICENSES.txt', source })
    },
  }
}

/** @param folder a package's */
function licence(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name))
  if (file === undefined) throw new Error(`${folder} has no licence text`)
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
}
