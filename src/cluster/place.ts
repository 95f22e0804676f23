import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'

/** Differs from one start of the machine to the next. */
const BOOT = '/proc/sys/kernel/random/boot_id'
/** Names the network of this process: a container may have one of its own. */
const NETWORK = '/proc/self/ns/net'

/** Of this process, where it cannot be told where it runs. */
const unknown = randomBytes(8).toString('hex')

/**
 * Where a node listens, as a digest. Two processes that live at the same time never have the same one, because the system
 * gives an address of a network to one process only. So another node of the same place has gone.
 *
 * @param address as `host:port`; of anything else it is not known who has it
 */
export function placeOf(address: string): string {
  try {
    if (!/:\d+$/.test(address)) return unknown
    const where = [readFileSync(BOOT, 'latin1').trim(), readlinkSync(NETWORK), address]
    return createHash('sha256').update(where.join('\n')).digest('hex').slice(0, 16)
  } catch {
    // Not Linux.
    return unknown
  }
}
