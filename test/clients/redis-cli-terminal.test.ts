import { afterEach, beforeEach, expect, test } from 'vitest'
import { describeWithPeer, requirePeer } from '../conformance/peers.ts'
import { useServer } from './ktree.ts'
import { openTerminal, type Terminal } from './terminal.ts'

describeWithPeer(['redis-cli', 'tmux'], 'redis-cli on a terminal', () => {
  const ktree = useServer()
  let terminal: Terminal
  let prompt: string
  beforeEach(async () => {
    prompt = `127.0.0.1:${ktree.port}>`
    const program = `${requirePeer('redis-cli')} -p ${ktree.port}`
    terminal = await openTerminal(`REDISCLI_HISTFILE=/dev/null ${program}`)
    await terminal.shows(prompt)
  })
  afterEach(() => terminal.close())
  /** Enters a line once the prompt is shown, because input before that would be lost. */
  const enter = async (line: string): Promise<void> => {
    await terminal.shows(new RegExp(`${prompt}$`))
    await terminal.enter(line)
  }

  test.each([
    [
      'KSET',
      'path value [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds] [REFRESH]',
    ],
    ['KGET', 'path [RECURSIVE] [SORTED]'],
    ['KCAD', 'path [PREVVALUE prev-value] [PREVINDEX prev-index]'],
    ['KWAIT', 'path [RECURSIVE] [SINCE index] [TIMEOUT milliseconds]'],
    ['KWATCH', 'channel [channel ...]'],
    ['CONFIG GET', 'parameter [parameter ...]'],
  ])('%s shows a hint while it is typed', async (command, hint) => {
    await terminal.type(`${command} `)
    await expect
      .poll(async () => (await terminal.screen()).replaceAll('\n', ''), { timeout: 20_000 })
      .toContain(`${prompt} ${command} ${hint}`)
  })

  test('the hint shrinks as arguments are given', async () => {
    await terminal.type('KGET /a ')
    await terminal.shows(`${prompt} KGET /a [RECURSIVE] [SORTED]`)
  })

  test('Tab completes the name of a command', async () => {
    await terminal.type('KCREA')
    await terminal.press('Tab')
    await terminal.shows(`${prompt} KCREATE`)
  })

  test('help KSET and help @tree describe commands', async () => {
    await enter('help KSET')
    await terminal.shows('summary: Creates or replaces a file')
    await terminal.shows('group: tree')
    await enter('help @tree')
    await terminal.shows('KMKDIR path [UNIQUE|REPLACE]')
  })

  test('a watcher prints the writes of another connection, and Ctrl-C ends it', async () => {
    await enter('SUBSCRIBE "/a?recursive=true"')
    await terminal.shows('3) (integer) 1')
    ktree.server.store.set('/a/b', 'x')
    ktree.server.store.set('/other', 'x')
    ktree.server.store.delete('/a/b')
    await terminal.shows('delete')
    const screen = await terminal.screen()
    expect(screen).toContain('2) "/a?recursive=true"')
    expect(screen.replaceAll('\n', '')).toContain(
      '3) "{\\"action\\":\\"set\\",\\"node\\":{\\"key\\":\\"/a/b\\",\\"value\\":\\"x\\",',
    )
    expect(screen).not.toContain('/other')
    await terminal.press('C-c')
    await enter('KINDEX')
    await terminal.shows('(integer) 3')
  })

  test('a watcher works in RESP3', async () => {
    await enter('HELLO 3')
    await terminal.shows('"proto" => (integer) 3')
    await enter('SUBSCRIBE /a')
    await terminal.shows('1) "subscribe"')
    ktree.server.store.set('/a', 'x')
    await terminal.shows('1) "message"')
  })
})
