import { readFileSync } from 'node:fs'
import Module, { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { Script } from 'node:vm'
import { readCodeCache } from './code-cache.ts'

/** The exports of the bundled program. */
type Program = typeof import('../program.ts')

/** Its name in stack traces. It is relative, because V8 keeps it in the code cache. */
const NAME = 'dist/program.cjs'

/** The program, compiled but not run. */
export interface CompiledProgram {
  readonly path: string
  /** The content of its file. */
  readonly text: Buffer
  readonly script: Script
}

/**
 * Compiles the program.
 *
 * @param path the file that the build makes from `program.ts`
 * @param useCache whether to use the code cache, if it is valid
 */
export function compileProgram(path: string, useCache: boolean): CompiledProgram {
  const text = readFileSync(path)
  const cachedData = useCache ? readCodeCache(path, text) : undefined
  const wrapped = `(function (exports, require, module, __filename, __dirname) { ${text}\n})`
  return {
    path,
    text,
    script: new Script(wrapped, { filename: NAME, ...(cachedData && { cachedData }) }),
  }
}

/** Runs the program as `require` would. Its other files then find it with `require`. */
export function runProgram({ path, script }: CompiledProgram): Program {
  const require = createRequire(path)
  const module = new Module(path)
  require.cache[path] = module
  script.runInThisContext()(module.exports, require, module, path, dirname(path))
  module.loaded = true
  return module.exports
}

/** Loads the program. Without a code cache that only takes longer. */
export function loadProgram(path: string): Program {
  // Node reads source maps only for files that it loads itself.
  if (process.sourceMapsEnabled) return createRequire(path)(path)
  return runProgram(compileProgram(path, true))
}
