import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { useProgram } from '../clients/program.ts'
import { freePorts } from '../conformance/peers.ts'
import { temporaryDirectory, visitPort } from './data-server.ts'

const CALLS = 'trace=openat,write,writev,pwrite64,pwritev,fdatasync,fsync,sendto,sendmsg'
const WRITES = 20

/** Whether this user may follow the system calls of its processes. */
function canTrace(): boolean {
  return spawnSync('strace', ['-f', '-e', 'trace=none', 'true']).status === 0
}

/** What a process has done, in order, as far as it matters here. */
type Step = 'append' | 'synced' | 'reply'

/** The steps in the output of `strace -f`. */
function stepsIn(trace: string): Step[] {
  const journals = new Set<string>()
  /** The calls that have begun on a thread and not yet ended. */
  const begun = new Map<string, string>()
  const steps: Step[] = []
  for (const line of trace.split('\n')) {
    const found = /^(\d+) +(.*)$/.exec(line)
    if (found === null) continue
    const [, thread, text] = found
    const opened = /^openat\(.*\.journal", .*\) = (\d+)/.exec(text)
    if (opened !== null) journals.add(opened[1])
    const resumed = /^<\.\.\. (\w+) resumed>.*= (\S+)/.exec(text)
    if (resumed !== null) {
      const file = begun.get(thread) ?? ''
      begun.delete(thread)
      if (resumed[1] === 'openat' && file === 'journal') journals.add(resumed[2])
      if (/sync/.test(resumed[1]) && journals.has(file) && resumed[2] === '0') steps.push('synced')
      continue
    }
    const call = /^(\w+)\((\d+|AT_FDCWD)/.exec(text)
    if (call === null) continue
    const [, name, file] = call
    if (text.includes('<unfinished')) {
      begun.set(thread, text.includes('.journal"') ? 'journal' : file)
    } else if (/sync/.test(name) && journals.has(file)) steps.push('synced')
    if (/writev?$|pwrite/.test(name) && journals.has(file)) steps.push('append')
    else if (/\+OK\\r\\n/.test(text)) steps.push('reply')
  }
  return steps
}

const program = useProgram()

async function traceWrites(durability: string): Promise<Step[]> {
  const directory = temporaryDirectory()
  const output = join(directory, 'trace')
  const [port] = await freePorts(1)
  const where = ['--bind', '127.0.0.1', '--port', String(port), '--dir', join(directory, 'data')]
  const command = [process.execPath, join(program.dist, 'main.js'), ...where]
  const child = spawn('strace', [
    ...['-f', '-q', '-s', '200', '-e', CALLS, '-o', output],
    ...command,
    ...['--durability', durability],
  ])
  let out = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  await expect.poll(() => out, { timeout: 30_000 }).toContain('ready on')
  const client = await visitPort(port)
  for (let i = 0; i < WRITES; i++) expect(await client.call('SET', `key:${i}`, 'x')).toBe('OK')
  client.send('SHUTDOWN', 'NOSAVE')
  await once(child, 'exit')
  return stepsIn(readFileSync(output, 'latin1'))
}

describe.skipIf(!canTrace())('the order of system calls (needs strace)', () => {
  test('with always fsync ends between the write and its reply', { timeout: 120_000 }, async () => {
    const steps = await traceWrites('always')
    expect(steps.filter((step) => step === 'reply')).toHaveLength(WRITES)
    for (const [i, step] of steps.entries()) {
      if (step !== 'reply') continue
      const since = steps.slice(steps.lastIndexOf('reply', i - 1) + 1, i)
      expect(since.indexOf('append'), `before reply ${i}`).toBeGreaterThanOrEqual(0)
      expect(since.lastIndexOf('synced')).toBeGreaterThan(since.indexOf('append'))
    }
  })

  test('with everysec the write comes before its reply', { timeout: 120_000 }, async () => {
    const steps = await traceWrites('everysec')
    expect(steps.filter((step) => step === 'reply')).toHaveLength(WRITES)
    for (const [i, step] of steps.entries()) {
      if (step !== 'reply') continue
      const since = steps.slice(i === 0 ? 0 : steps.lastIndexOf('reply', i - 1) + 1, i)
      expect(since, `before reply ${i}`).toContain('append')
    }
  })
})
