import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { requirePeer } from '../conformance/peers.ts'

const exec = promisify(execFile)

/** How long a screen may take to match, on a loaded machine. */
const SCREEN_TIMEOUT_MS = 20_000

/** A program on a terminal of its own. */
export interface Terminal {
  /** Types text, without Enter. */
  type(text: string): Promise<void>
  /** Presses a key by tmux's name for it: `Enter`, `C-c`. */
  press(key: string): Promise<void>
  /** Types a line and presses Enter. */
  enter(line: string): Promise<void>
  /** What is on the screen, without empty lines. */
  screen(): Promise<string>
  /** Waits until the screen matches `expected`. */
  shows(expected: string | RegExp): Promise<void>
  close(): Promise<void>
}

/**
 * Runs a program on a pseudo-terminal of 160 columns, in a separate tmux server.
 *
 * @param command a shell command
 */
export async function openTerminal(command: string): Promise<Terminal> {
  const path = requirePeer('tmux')
  const directory = await mkdtemp(join(tmpdir(), 'ktree-tmux-'))
  const tmux = async (...args: string[]): Promise<string> => {
    const { stdout } = await exec(path, [
      '-S',
      join(directory, 'socket'),
      '-f',
      '/dev/null',
      ...args,
    ])
    return stdout
  }
  await tmux('-u', 'new-session', '-d', '-x', '160', '-y', '60', command)
  const type = async (text: string): Promise<void> => void (await tmux('send-keys', '-l', text))
  const press = async (key: string): Promise<void> => void (await tmux('send-keys', key))
  const screen = async (): Promise<string> =>
    (await tmux('capture-pane', '-p'))
      .split('\n')
      .filter((line) => line.trim() !== '')
      .join('\n')
  return {
    type,
    press,
    screen,
    async enter(line) {
      await type(line)
      await press('Enter')
    },
    async shows(expected) {
      await expect.poll(screen, { timeout: SCREEN_TIMEOUT_MS }).toMatch(expected)
    },
    async close() {
      try {
        await tmux('kill-server')
      } finally {
        await rm(directory, { recursive: true, force: true })
      }
    },
  }
}
