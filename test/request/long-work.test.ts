import { describe, expect, test } from 'vitest'
import { LongWork, PUT_OFF } from '../../src/request/long-work.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a turn', () => {
  test('begins long work until there is enough of it', () => {
    const work = new LongWork()
    work.begin(12, false)
    work.begin(500, false)
    expect(() => work.begin(2, false)).toThrow(PUT_OFF)
    expect(() => work.check()).toThrow(PUT_OFF)
  })

  test('takes no notice of what is short', () => {
    const work = new LongWork()
    for (let i = 0; i < 1000; i++) work.begin(0.9, false)
    expect(() => work.check()).not.toThrow()
    work.begin(20, false)
    expect(() => work.begin(0.9, false)).not.toThrow()
  })

  test('adds up EXECs, however short they are', () => {
    const work = new LongWork()
    for (let i = 0; i < 199; i++) work.noteExec(0.1)
    expect(() => work.check()).not.toThrow()
    work.noteExec(0.2)
    expect(() => work.check()).toThrow(PUT_OFF)
  })

  test('puts nothing of an EXEC off, but others because of it', () => {
    const work = new LongWork()
    work.begin(30, true)
    work.begin(30, true)
    expect(() => work.begin(30, false)).toThrow(PUT_OFF)
  })

  test('puts nothing off when the limit has ended', () => {
    const work = new LongWork().endLimit()
    work.begin(30, false)
    expect(() => work.begin(30, false)).not.toThrow()
  })

  test('begins anew when it has ended', async () => {
    const work = new LongWork()
    work.begin(30, false)
    await turn()
    expect(() => work.begin(30, false)).not.toThrow()
  })
})

test('those that have been put off are served in their order, a few a turn', async () => {
  const work = new LongWork()
  const turns: string[][] = []
  let served: string[] = []
  const serve = (name: string, time: number) => (): void => {
    work.begin(time, false)
    served.push(name)
  }
  for (const name of ['a', 'b']) work.later(serve(name, 10))
  work.later(serve('c', 40))
  work.later(() => {
    served.push('again')
    work.later(serve('last', 40))
  })
  for (const name of ['d', 'e']) work.later(serve(name, 0))
  while (turns.length < 5) {
    await turn()
    turns.push(served)
    served = []
  }
  expect(turns).toEqual([['a', 'b'], ['c'], ['again', 'd', 'e'], ['last'], []])
})
