import { expect, onTestFinished, test, vi } from 'vitest'
import { frame, join, start } from './raw-client.ts'
import { StepCounter } from './steps.ts'

const TIMES = 500

/** Has one EXEC make the same request many times. @returns the steps of one */
async function stepsOfOne(...request: string[]): Promise<number> {
  const client = await join(await start())
  const counter = new StepCounter()
  onTestFinished(() => counter.stop())
  const exec = async (): Promise<number> => {
    await client.call('MULTI')
    client.write(frame(...request).repeat(TIMES))
    await client.take(TIMES)
    counter.take()
    await client.call('EXEC')
    return counter.take()
  }
  // What is made once is made now.
  await exec()
  return (await exec()) / TIMES
}

test.each([
  ['COMMAND', 'LIST', 'FILTERBY', 'ACLCAT', 'nope'],
  ['COMMAND', 'LIST', 'FILTERBY', 'MODULE', 'nope'],
])('%s %s %s %s lists nothing in a few steps', async (...request) => {
  expect(await stepsOfOne(...request)).toBeLessThan(150)
})

test('an EXEC of INFO memory and MEMORY STATS asks the system once for the resident memory', async () => {
  const client = await join(await start())
  const now = performance.now()
  vi.spyOn(performance, 'now').mockReturnValue(now)
  const asked = vi.spyOn(process.memoryUsage, 'rss')
  onTestFinished(() => {
    vi.restoreAllMocks()
  })
  await client.call('MULTI')
  for (let i = 0; i < 20; i++) {
    await client.call('INFO', 'memory')
    await client.call('MEMORY', 'STATS')
  }
  expect(await client.call('EXEC')).toHaveLength(40)
  expect(asked).toHaveBeenCalledTimes(1)
})
