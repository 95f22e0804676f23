import { readFileSync } from 'node:fs'
import Module, { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { Script } from 'node:vm'
import { readCodeCache } from './code-cache.ts'

/** What the bundled program exports. */
type Program = typeof import('../program.ts')

/** Its name in stack traces. V8 keeps it with compiled code, which may be used in another place. */
const NAME = 'dist/program.cjs'

/** The program, compiled but not run. */
export interface CompiledProgram {
  readonly path: string
  /** What is in its file. */
  readonly text: Buffer
  readonly script: Script
}

/**
 * @param path the file that the build makes of `program.ts`
 * @param useCache whether to take what V8 has compiled of it before, if there is such and it is
 *   right
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

/**
 * Runs it as `require` would, and as what `require` finds from now on: its other files ask for it.
 */
export function runProgram({ path, script }: CompiledProgram): Program {
  const require = createRequire(path)
  const module = new Module(path)
  require.cache[path] = module
  script.runInThisContext()(module.exports, require, module, path, dirname(path))
  module.loaded = true
  return module.exports
}

/** Loads the program; without a cache it only takes a little longer. */
export function loadProgram(path: string): Program {
  // Node has the source maps only of what it loads itself.
  if (process.sourceMapsEnabled) return createRequire(path)(path)
  return runProgram(compileProgram(path, true))
}
