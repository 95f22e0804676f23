import { spawn } from 'node:child_process'
import { requirePeer } from '../conformance/peers.ts'

export interface CliResult {
  readonly code: number | null
  /** Standard output, without the final newline. */
  readonly out: string
  readonly err: string
}

/** Runs redis-cli to its end, without a history file and with a clean environment. */
export async function redisCli(
  args: readonly string[],
  input: string | Buffer = '',
): Promise<CliResult> {
  const child = spawn(requirePeer('redis-cli'), args, {
    env: { PATH: process.env.PATH, REDISCLI_HISTFILE: '/dev/null' },
  })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  // redis-cli may end before it has read its input.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const text = (chunks: Buffer[]): string => Buffer.concat(chunks).toString().replace(/\n$/, '')
  return { code, out: text(out), err: text(err) }
}
