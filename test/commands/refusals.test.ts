import { expect, onTestFinished, test, vi } from 'vitest'
import { commandTable } from '../../src/commands/table.ts'
import { ErrorReply, frame, join, start } from '../server/raw-client.ts'

const NO_INTEGER = 'ERR value is not an integer or out of range'
const NO_FLOAT = 'ERR value is not a valid float'
const OVERFLOW = 'ERR increment or decrement would overflow'
const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'
const MIN_64 = String(-(2n ** 63n))

test.each([
  [['INCR', 'text'], NO_INTEGER],
  [['DECR', 'text'], NO_INTEGER],
  [['INCRBY', 'number', 'x'], NO_INTEGER],
  [['INCRBY', 'missing', 'x'], NO_INTEGER],
  [['DECRBY', 'number', 'x'], NO_INTEGER],
  [['DECRBY', 'number', MIN_64], 'ERR decrement would overflow'],
  [['INCRBY', 'number', String(2n ** 63n - 1n)], OVERFLOW],
  [['INCRBYFLOAT', 'text', '1'], NO_FLOAT],
  [['INCRBYFLOAT', 'number', 'x'], NO_FLOAT],
  [['INCR', 'directory'], WRONG_TYPE],
  [['INCRBYFLOAT', 'directory', '1'], WRONG_TYPE],
  [['GET', 'directory'], WRONG_TYPE],
  [['KDEL', 'missing'], 'KEYNOTFOUND 100 Key not found (/missing) [3]'],
  [['KDEL', 'directory/a/b', 'RECURSIVE'], 'KEYNOTFOUND 100 Key not found (/directory/a) [3]'],
])(
  '%j, of which an EXEC may have half a million, is refused and counted, but nothing is thrown',
  async (request, refusal) => {
    const name = request[0].toLowerCase()
    const command = commandTable.find((each) => each.name === name) as unknown as {
      run: () => unknown
    }
    const run = vi.spyOn(command, 'run')
    onTestFinished(() => run.mockRestore())
    const server = await start()
    server.store.set('/text', 'abc')
    server.store.set('/number', '1')
    server.store.createDirectory('/directory')
    const client = await join(server)
    client.write([['MULTI'], request, ['EXEC'], request].map((each) => frame(...each)).join(''))
    const [, , inExec, alone] = await client.take(4)
    expect([(inExec as unknown[])[0], alone]).toEqual([
      new ErrorReply(refusal),
      new ErrorReply(refusal),
    ])
    expect(run.mock.results.map(({ type }) => type)).toEqual(['return', 'return'])
    const stats = String(await client.call('INFO', 'commandstats', 'errorstats'))
    expect(stats).toMatch(new RegExp(`cmdstat_${name}:calls=2,.*failed_calls=2\r\n`))
    expect(stats).toContain(`errorstat_${refusal.split(' ')[0]}:count=2\r\n`)
    expect(server.store.index).toBe(3)
    expect(server.store.stats.deleteFail).toBe(name === 'kdel' ? 2 : 0)
  },
)
