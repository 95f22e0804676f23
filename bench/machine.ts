import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { makeDirectory, removeDirectory } from './children.ts'
import { median } from './latencies.ts'

/** Time of one write to the disk of the temporary directories, in milliseconds. */
function syncTime(): number {
  const directory = makeDirectory()
  const file = openSync(join(directory, 'sync'), 'w')
  const block = Buffer.alloc(4096)
  const times: number[] = []
  for (let i = 0; i < 100; i++) {
    const started = performance.now()
    writeSync(file, block)
    fdatasyncSync(file)
    times.push(performance.now() - started)
  }
  closeSync(file)
  removeDirectory(directory)
  return median(times)
}

/** The machine that the benchmarks run on, on one line. */
export function describeMachine(): string {
  const [cpu] = cpus()
  const memory = Math.round(totalmem() / 1024 ** 3)
  const disk = `${syncTime().toFixed(2)} ms to write 4 kB to disk (fdatasync)`
  const hardware = `${cpus().length} × ${cpu?.model ?? 'CPU'}, ${memory} GB`
  // The load is shown because other work on the machine spoils the figures.
  const load = `load average ${loadavg()[0].toFixed(1)} before the start`
  return `${hardware}, ${type()} ${release()}; ${disk}; ${load}`
}
