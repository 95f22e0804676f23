import { spawn } from 'node:child_process'
import { requirePeer } from '../conformance/peers.ts'

export interface CliResult {
  readonly code: number | null
  /** Standard output, without the newline at its end. */
  readonly out: string
  readonly err: string
}

/** Runs redis-cli to its end. Its history file and its environment stay out of it. */
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
  // It may end without having read its input.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const text = (chunks: Buffer[]): string => Buffer.concat(chunks).toString().replace(/\n$/, '')
  return { code, out: text(out), err: text(err) }
}
