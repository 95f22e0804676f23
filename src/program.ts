/**
 * ktree as a program, loaded by `main.ts`. The build makes one file of it (docs/decisions/0010).
 *
 * @module
 */
export { run } from './cli/run.ts'
export { startServer } from './server/start.ts'
