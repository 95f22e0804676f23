import { reason } from '../trial.ts'
import type { Verdict } from './hostile.ts'
import { clockTrials } from './machine/clock.ts'
import { descriptorTrials } from './machine/descriptors.ts'
import { fileTrials } from './machine/files.ts'
import { logTrials } from './machine/log.ts'
import { memoryTrials } from './machine/memory.ts'
import { signalTrials } from './machine/signals.ts'
import { Finding } from './machine/support.ts'

const TRIALS = [
  ...logTrials,
  ...descriptorTrials,
  ...signalTrials,
  ...clockTrials,
  ...fileTrials,
  ...memoryTrials,
]

/**
 * Does to servers what machines do to them, and prints a table.
 *
 * @param only the name of a trial, to leave out all others
 */
export async function machine(only?: string): Promise<Verdict> {
  const trials = TRIALS.filter(({ name }) => only === undefined || name === only)
  if (trials.length === 0) {
    const names = [...new Set(TRIALS.map(({ name }) => name))].join(', ')
    throw new Error(`there is no trial ${only}; there are ${names}`)
  }
  let failed = 0
  process.stdout.write('\n| mark | trial | what | measured |\n| --- | --- | --- | --- |\n')
  for (const { name, what, run } of trials) {
    const finding = new Finding()
    try {
      await run(finding)
    } catch (error) {
      finding.note(reason(error), false)
    }
    if (finding.faults.length > 0) failed++
    const cells = [finding.faults.join('; '), name, what, finding.measured]
    const line = cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll(/[^ -~]/g, '.'))
    process.stdout.write(`| ${line.join(' | ')} |\n`)
  }
  return { summary: `${trials.length} trials, ${failed} marked`, failed }
}
