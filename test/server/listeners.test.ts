import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { explainStartError } from '../../src/cli/start-error.ts'
import { startServer } from '../../src/server/start.ts'
import { TLS } from './tls/tls-client.ts'

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'ktree-listen-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** What the terminal shows of a start that fails. */
async function refusal(
  directives: Record<string, string>,
  ports: { port?: number; tlsPort?: number } = { port: 0 },
): Promise<string> {
  const starting = startServer({ ...ports, directives })
  return starting.then(
    async (server) => {
      await server.close()
      return `listens on ${server.addresses.join(' ')}`
    },
    (error: unknown) => explainStartError(error),
  )
}

/** A port that is in use. */
async function busyPort(): Promise<number> {
  const busy: Server = createServer()
  await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void busy.close())
  return (busy.address() as { port: number }).port
}

test('a TCP port that is in use names the directive that says so', async () => {
  const port = await busyPort()
  expect(await refusal(TLS, { port: 0, tlsPort: port })).toBe(
    `ktree: port ${port} on 127.0.0.1 is in use; choose another with --tls-port N (make run ARGS="--tls-port N")`,
  )
  expect(await refusal({}, { port })).toContain('choose another with --port N')
})

test.runIf(process.platform === 'linux')(
  'a path of a Unix socket that the system would cut is refused; the longest one is not',
  async () => {
    const directory = temporaryDirectory()
    const pathOf = (bytes: number) =>
      join(directory, 'ü'.repeat(4) + 'x'.repeat(bytes - Buffer.byteLength(directory) - 9))
    expect(await refusal({ unixsocket: Buffer.from(pathOf(107)).toString('latin1') })).toMatch(
      /^listens on/,
    )
    const long = pathOf(108)
    expect(await refusal({ unixsocket: Buffer.from(long).toString('latin1') })).toBe(
      `ktree: the path of Unix socket ${long} is too long: it has 108 bytes, and the system takes 107; choose another with --unixsocket path`,
    )
    expect(readdirSync(directory)).toEqual([])
  },
)

test('a Unix socket in a directory that is missing, or a file, names the directory', async () => {
  const directory = temporaryDirectory()
  writeFileSync(join(directory, 'file'), '')
  for (const name of ['none', 'file']) {
    const path = join(directory, name, 'a.sock')
    expect(await refusal({ unixsocket: path })).toBe(
      `ktree: cannot listen on Unix socket ${path}: there is no directory ${join(directory, name)}`,
    )
  }
})

test('a Unix socket in the place of something else is in use, and that stays', async () => {
  const path = join(temporaryDirectory(), 'a.sock')
  mkdirSync(path)
  expect(await refusal({ unixsocket: path })).toBe(
    `ktree: Unix socket ${path} is in use; choose another with --unixsocket path`,
  )
  expect(readdirSync(path)).toEqual([])
})
