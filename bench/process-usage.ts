import { readFileSync, writeFileSync } from 'node:fs'

/** The unit of time in /proc/PID/stat, the same on every Linux that Node.js supports. */
const TICKS_PER_SECOND = 100

function status(pid: number, name: string): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1')
    return Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text)?.[1]) * 1024
  } catch {
    return Number.NaN
  }
}

/** Resident memory of a process, in bytes; NaN without /proc. */
export const residentMemory = (pid: number): number => status(pid, 'VmRSS')

/** Largest resident memory since `forgetPeak`, in bytes; NaN without /proc. */
export const peakMemory = (pid: number): number => status(pid, 'VmHWM')

/** Resets `peakMemory`. Where the system does not allow that, the peak is the one since the start. */
export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
  } catch {
    // The system is not Linux, or the process belongs to another user.
  }
}

/** Processor time that a process has used, in seconds; NaN without /proc. */
export function processorTime(pid: number): number {
  try {
    // The process name, in brackets, may contain blanks.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  } catch {
    return Number.NaN
  }
}
