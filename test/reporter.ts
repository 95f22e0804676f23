import type { TestCase, TestModule } from 'vitest/node'
import type { Reporter } from 'vitest/reporters'

/** Ends a run with one line that a person or a script finds at once: `12 passed, 0 failed`. */
export default class TotalReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 }
    for (const module of modules) {
      for (const test of module.children.allTests() as Iterable<TestCase>) {
        count[test.result().state]++
      }
      // A file that could not be loaded, or a hook that threw, holds no failed test.
      count.failed += module.errors().length
      for (const suite of module.children.allSuites()) count.failed += suite.errors().length
    }
    const skipped = count.skipped + count.pending
    const tail = skipped > 0 ? `, ${skipped} skipped` : ''
    process.stdout.write(`\n${count.passed} passed, ${count.failed} failed${tail}\n`)
  }
}
