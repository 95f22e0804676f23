import { expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { Progress } from '../../src/transfer/progress.ts'
import { Recorder } from './recorder.ts'

function setUp(isTTY: boolean) {
  const clock = new ManualClock()
  const output = new Recorder(isTTY)
  return { clock, output, progress: new Progress(output, clock) }
}

test('on a terminal one line is overwritten, at most ten times a second', () => {
  const { clock, output, progress } = setUp(true)
  progress.phase('checking x')
  expect(output.text).toBe('\rchecking x ...\x1b[K')
  output.text = ''
  for (let ms = 0; ms < 200; ms++) {
    clock.advance(1)
    progress.update('writing:', ms, 200, 'nodes')
  }
  expect(output.text).toBe(
    '\rwriting: 99 of 200 nodes (49 %)\x1b[K\rwriting: 199 of 200 nodes (99 %)\x1b[K',
  )
})

test('a line that stays replaces the one that is overwritten', () => {
  const { output, progress } = setUp(true)
  progress.phase('checking x')
  progress.line('done')
  expect(output.text).toBe('\rchecking x ...\x1b[K\r\x1b[Kdone\n')
  output.text = ''
  progress.clear()
  expect(output.text).toBe('')
})

test('elsewhere there is a line every two seconds, and none for quick work', () => {
  const { clock, output, progress } = setUp(false)
  progress.phase('checking x')
  for (let ms = 0; ms < 5000; ms += 100) {
    progress.update('reading:', ms, 0, 'MB')
    clock.advance(100)
  }
  expect(output.lines).toEqual(['reading: 2000 MB', 'reading: 4000 MB'])
  progress.clear()
  progress.line('done')
  expect(output.lines.at(-1)).toBe('done')
})
