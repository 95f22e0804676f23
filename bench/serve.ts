import { startServer } from '../src/server/start.ts'

// A server in its own process: sends its port to its parent, and its memory when asked.
const server = await startServer({ port: 0, directives: { maxclients: '20000' } })
process.send?.({ port: server.port })
process.on('message', () => process.send?.({ memory: process.memoryUsage() }))
process.on('disconnect', () => process.exit())
