#!/usr/bin/env -S node --max-semi-space-size=16
import { run } from './run.ts'
import { startServer } from './server/start.ts'

process.exit(await run(process.argv.slice(2), process, startServer))
