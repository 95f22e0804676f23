import { execFileSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { makeDirectory, removeDirectory } from '../../children.ts'
import { ktreeCommand, launch } from '../launch.ts'
import {
  type Finding,
  type MachineTrial,
  noteEnd,
  notePing,
  visitByHttp,
  withTarget,
} from './support.ts'

/** More lines than a pipe takes: some 300 bytes each. */
const VISITS = 1000

/** A log that takes nothing: the server serves, tells of it, and ends when it is told to. */
async function unwritable(finding: Finding, command: string): Promise<void> {
  await withTarget({ command }, async (target) => {
    await notePing(finding, target.port, 'at first')
    for (let i = 0; i < 3; i++) await visitByHttp(target.port).catch(() => {})
    if (!(await notePing(finding, target.port, 'after three HTTP requests'))) return
    await noteEnd(finding, target)
  })
}

/**
 * A log into a pipe that nobody reads.
 *
 * @param broken the reader goes, rather than to stop reading
 */
async function pipe(finding: Finding, broken: boolean): Promise<void> {
  const directory = makeDirectory()
  const fifo = join(directory, 'log')
  execFileSync('mkfifo', [fifo])
  const reader = openSync(fifo, 'r+')
  try {
    const command = `${ktreeCommand('--loglevel debug')} >'${fifo}'`
    const target = await launch({ command })
    try {
      if (broken) closeSync(reader)
      for (let i = 0; i < (broken ? 3 : VISITS); i++) await visitByHttp(target.port).catch(() => {})
      await notePing(finding, target.port, 'after HTTP requests')
      await noteEnd(finding, target)
    } finally {
      await target.stop()
    }
  } finally {
    if (!broken) closeSync(reader)
    removeDirectory(directory)
  }
}

export const logTrials: readonly MachineTrial[] = [
  {
    name: 'log-full',
    what: '`logfile` on a full disk (/dev/full)',
    run: (finding) => unwritable(finding, ktreeCommand('--logfile /dev/full')),
  },
  {
    name: 'output-full',
    what: 'output redirected to a full disk',
    run: (finding) => unwritable(finding, `${ktreeCommand()} >/dev/full 2>&1`),
  },
  {
    name: 'output-closed',
    what: 'output and error output closed',
    run: (finding) => unwritable(finding, `${ktreeCommand()} >&- 2>&-`),
  },
  {
    name: 'pipe-blocked',
    what: 'log into a pipe that nobody reads',
    run: (finding) => pipe(finding, false),
  },
  {
    name: 'pipe-broken',
    what: 'log into a pipe whose reader has gone',
    run: (finding) => pipe(finding, true),
  },
]
