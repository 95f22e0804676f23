import { expect, onTestFinished, test, vi } from 'vitest'
import { Store } from '../../../src/store/store.ts'
import { TtlHeap } from '../../../src/store/tree/ttl-heap.ts'
import { testAlone } from '../../cluster/alone.ts'
import { IdleClock } from '../../server/idle-clock.ts'
import { ErrorReply, join, Push, type Reply, start } from '../../server/raw-client.ts'

const DUE = 100
/** More than this do not expire in one turn if each event takes a listener a millisecond. */
const MOST_A_TURN = 25
const IN_GROUP = 'in a group nodes expire when the log says so'

/** A server with children of `/d` that are due, or of `/other`, and a listener that takes a millisecond for each event. */
async function startDue(directory = 'd') {
  const clock = new IdleClock()
  const server = await start({ clock })
  const { store } = server
  for (let i = 0; i < DUE; i++) {
    store.set(`/${directory}/${i}`, '', { expireTime: clock.time + 10 })
  }
  store.set('/d/last', '', { expireTime: clock.time + 10 })
  clock.time += 20
  const turns: number[] = [0]
  let over = false
  let listening = true
  const count = (): void => {
    if (turns[turns.length - 1] !== 0) turns.push(0)
    if (!over) setImmediate(count)
  }
  store.hub.addEverywhere(({ action }) => {
    if (!listening || action !== 'expire') return
    turns[turns.length - 1]++
    for (const end = performance.now() + 1; performance.now() < end; );
  })
  const client = await join(server, 3)
  count()
  /** How many nodes have expired in each turn in which some have. */
  const counts = (): number[] => {
    over = true
    listening = false
    return turns.filter((turn) => turn > 0)
  }
  return { server, client, counts }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

testAlone(IN_GROUP, 'KDEL DIR waits while children that are due expire in slices', async () => {
  const { server, client, counts } = await startDue()
  expect(await client.call('KDEL', 'd', 'DIR')).not.toBeInstanceOf(ErrorReply)
  const turns = counts()
  expect(sum(turns)).toBe(DUE + 1)
  expect(Math.max(...turns)).toBeLessThanOrEqual(MOST_A_TURN)
  expect(server.store.files).toBe(0)
})

testAlone(IN_GROUP, 'so does RENAME of a directory', async () => {
  const { server, client, counts } = await startDue()
  expect(await client.call('RENAME', 'd', 'e')).toBe('OK')
  const turns = counts()
  expect(sum(turns)).toBe(DUE + 1)
  expect(Math.max(...turns)).toBeLessThanOrEqual(MOST_A_TURN)
  expect(server.store.lookup('/e')?.dir).toBe(true)
})

testAlone(IN_GROUP, 'so does an EXEC, which then runs as a whole', async () => {
  const { server, client, counts } = await startDue()
  await client.call('KWATCH', '/?recursive=true')
  await client.call('WATCH', 'a')
  await client.call('MULTI')
  await client.call('SET', 'a', '1')
  await client.call('KDEL', 'd', 'DIR')
  client.send('EXEC')
  const output = (await client.take(DUE + 4)) as Reply[]
  const turns = counts()
  expect(sum(turns)).toBe(DUE + 1)
  expect(Math.max(...turns)).toBeLessThanOrEqual(MOST_A_TURN)
  // Each event is told once, and none comes between those of the writes.
  const actions = output.map((reply) =>
    reply instanceof Push ? JSON.parse(String(reply.items[2])).action : 'reply',
  )
  expect(actions).toEqual([...Array(DUE + 1).fill('expire'), 'reply', 'set', 'delete'])
  expect(server.store.index).toBe(2 * (DUE + 1) + 2)
})

testAlone(
  IN_GROUP,
  'an EXEC that is put off fails if a watched key changes meanwhile',
  async () => {
    const { server, client } = await startDue()
    await client.call('WATCH', 'd/0', 'a')
    await client.call('MULTI')
    await client.call('KDEL', 'd', 'DIR')
    client.send('EXEC')
    const other = await join(server)
    await other.call('SET', 'a', '1')
    expect(await client.take(1)).toEqual([null])
    expect(server.store.lookup('/d')?.dir).toBe(true)
  },
)

testAlone(IN_GROUP, 'an EXEC that names no directory does not wait', async () => {
  const { client, counts } = await startDue()
  await client.call('MULTI')
  await client.call('SET', 'a', '1')
  expect(await client.call('EXEC')).toEqual(['OK'])
  expect(sum(counts())).toBe(0)
})

test('KDEL DIR finds that what is due is no child', () => {
  const clock = new IdleClock()
  const store = new Store({ clock })
  store.set('/d/x', '')
  store.set('/e/y', '', { expireTime: clock.time + 10 })
  clock.time += 20
  expect(() => store.delete('/d', { dir: true })).toThrow(/Directory not empty/)
  expect(store.delete('/e', { dir: true }).action).toBe('delete')
})

testAlone(
  IN_GROUP,
  'EXEC of who watches keys waits while many are due, wherever they are',
  async () => {
    const clock = new IdleClock()
    const server = await start({ clock })
    const { store } = server
    for (let i = 0; i < 1500; i++) store.set(`/d/${i}`, '', { expireTime: clock.time + 10 })
    store.set('/e/x', '')
    const client = await join(server)
    for (const request of [['WATCH', '/e'], ['MULTI'], ['PING']]) {
      await client.call(...(request as [string, ...string[]]))
    }
    const takenAtOnce = vi.spyOn(TtlHeap.prototype, 'takeDue')
    onTestFinished(() => takenAtOnce.mockRestore())
    clock.time += 20
    expect(await client.call('EXEC')).toEqual(['PONG'])
    expect(takenAtOnce).not.toHaveBeenCalled()
    // What is left is little enough to be looked through.
    expect(store.files).toBeLessThan(1100)
  },
)

test.each([
  [
    'one that it makes',
    [
      ['KMKDIR', 'new'],
      ['SET', 'new/a', '1'],
      ['KDEL', 'new', 'DIR'],
    ],
  ],
  [
    'one that it makes by a file',
    [
      ['SET', 'new/a', '1'],
      ['KDEL', 'new', 'DIR'],
    ],
  ],
  [
    'one that it moves there',
    [
      ['SET', 'old/a', '1'],
      ['RENAME', 'old', 'new'],
      ['KDEL', 'new', 'DIR'],
      ['RENAME', 'new', 'x'],
    ],
  ],
])('an EXEC with KDEL DIR of %s does not look at what is due elsewhere', async (_, requests) => {
  const clock = new IdleClock()
  const server = await start({ clock })
  const { store } = server
  for (let i = 0; i < 5000; i++) store.set(`/d/${i}`, '', { expireTime: clock.time + 10 })
  const client = await join(server)
  await client.call('MULTI')
  for (const request of requests) await client.call(...(request as [string, ...string[]]))
  const looked = vi.spyOn(TtlHeap.prototype, 'due')
  const taken = vi.spyOn(TtlHeap.prototype, 'takeFirst')
  onTestFinished(() => {
    looked.mockRestore()
    taken.mockRestore()
  })
  clock.time += 20
  const replies = (await client.call('EXEC')) as Reply[]
  expect(replies.filter((reply) => reply instanceof ErrorReply).length).toBe(1)
  expect([looked.mock.calls.length, taken.mock.calls.length]).toEqual([0, 0])
})
