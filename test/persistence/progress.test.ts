import { pino } from 'pino'
import { expect, onTestFinished, test, vi } from 'vitest'
import { keep } from './support.ts'

/** More than one read returns. */
const FILES = 12_000

test('the log shows the progress of reading a large tree', async () => {
  const { store, persistence, directory } = await keep()
  for (let i = 0; i < FILES; i++) store.set(`/d${i % 10}/${i}`, 'value')
  await persistence.close(true)
  let now = 0
  // Each look at the clock is 600 ms after the last.
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 600))
  onTestFinished(() => clock.mockRestore())
  const lines: string[] = []
  const logger = pino({}, { write: (line: string) => lines.push(JSON.parse(line).msg) })
  await keep({ directory, logger })
  const total = FILES + 10 + 1
  const progress = lines.filter((line) => line.startsWith('loading'))
  expect(progress.length).toBeGreaterThan(0)
  let last = 0
  for (const line of progress) {
    const nodes = Number(new RegExp(`^loading: (\\d+) of ${total} nodes$`).exec(line)?.[1])
    expect(nodes, line).toBeGreaterThan(last)
    last = nodes
  }
  expect(last).toBeLessThanOrEqual(total)
  expect(lines).toContain(`loaded ${FILES} files up to index ${FILES}`)
})
