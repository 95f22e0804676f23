#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { loadProgram } from './launch/load-program.ts'

// Without a listener, this signal opens Node.js's debugger on a port.
process.on('SIGUSR1', () => {})
const { run, startServer } = loadProgram(fileURLToPath(new URL('program.cjs', import.meta.url)))
process.exit(await run(process.argv.slice(2), process, startServer))
