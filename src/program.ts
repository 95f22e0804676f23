/**
 * ktree as a program, what `main.ts` loads: the build makes one file of it (docs/decisions/0010).
 *
 * @module
 */
export { run } from './cli/run.ts'
export { startServer } from './server/start.ts'
