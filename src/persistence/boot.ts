import { readFileSync } from 'node:fs'

/**
 * Names the present run of the machine. What a process has handed to the system outlives the process, but not
 * the machine: a process that finds the name of an earlier one with another process's files knows that
 * nothing of them was lost if the names are equal.
 *
 * @returns empty where the system does not tell
 */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return ''
  }
}
