import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeCodeCache } from './code-cache.ts'
import { compileProgram, runProgram } from './load-program.ts'

/**
 * A step of the build that makes the code cache (code-cache.ts) for the options that node has here.
 * It starts a server as the command line does, lets it serve a few requests, and keeps the code
 * that V8 has compiled by then.
 *
 * @module
 */

const REQUESTS = 'PING\r\nSET a 1\r\nGET a\r\nKSET /b 2\r\nKGET /b\r\nQUIT\r\n'
const REPLIES = /^\+PONG\r\n\+OK\r\n\$1\r\n1\r\n(\*\d\r\n.*index\r\n:2\r\n){2}\+OK\r\n$/s

async function useServer(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  let replies = ''
  socket.on('data', (chunk) => {
    replies += chunk
  })
  socket.write(REQUESTS)
  await once(socket, 'close')
  if (!REPLIES.test(replies)) throw new Error(`the server answered ${JSON.stringify(replies)}`)
}

const path = fileURLToPath(new URL('../program.cjs', import.meta.url))
const compiled = compileProgram(path, false)
const { run, startServer } = runProgram(compiled)

const directory = mkdtempSync(join(tmpdir(), 'ktree-build-'))
try {
  const configFile = join(directory, 'ktree.conf')
  writeFileSync(configFile, `dir "${directory}"\nlogfile "${join(directory, 'log')}"\n`)
  const { stdin, stdout, stderr, exit } = process
  const host = { stdin, stdout, stderr, exit, on: () => {} }
  const code = await run([configFile, '--bind', '127.0.0.1'], host, async (options) => {
    const server = await startServer({ ...options, port: 0 })
    await useServer(server.port!).finally(() => server.close())
    return server
  })
  if (code !== 0) throw new Error('the program cannot be started')
} finally {
  rmSync(directory, { recursive: true })
}
writeCodeCache(path, compiled.text, compiled.script.createCachedData())
