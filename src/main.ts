#!/usr/bin/env node
import { run } from './run.ts'
import { startServer } from './server/start.ts'

process.exit(await run(process.argv.slice(2), process, startServer))
