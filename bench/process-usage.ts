import { readFileSync, writeFileSync } from 'node:fs'

/** Of /proc/PID/stat, on every Linux that Node.js runs on. */
const TICKS_PER_SECOND = 100

function status(pid: number, name: string): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1')
    return Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text)?.[1]) * 1024
  } catch {
    return Number.NaN
  }
}

/** Resident memory of a process in bytes; NaN where there is no /proc. */
export const residentMemory = (pid: number): number => status(pid, 'VmRSS')

/** The most resident memory since `forgetPeak`, in bytes; NaN where there is no /proc. */
export const peakMemory = (pid: number): number => status(pid, 'VmHWM')

/** Lets `peakMemory` begin anew. Where this is not allowed, the peak is that since the start. */
export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
  } catch {
    // Not Linux, or not ours.
  }
}

/** Processor time that a process has used, in seconds; NaN where there is no /proc. */
export function processorTime(pid: number): number {
  try {
    // The name, in brackets, may itself hold blanks.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  } catch {
    return Number.NaN
  }
}
