import type { CommandCatalogue } from '../access/command-catalogue.ts'
import type { CommandStats } from '../metrics/counters.ts'
import { LEVEL_BYTES } from '../metrics/memory-gauge.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import { depthOf } from '../store/path.ts'
import type { Store } from '../store/store.ts'
import { LARGE_VALUE_BYTES, MAX_VALUE_BYTES, textOfValue } from '../store/value.ts'
import { accessOfCommand } from './access-of-command.ts'
import type { FoundCommand } from './client.ts'
import type { Command, KeptSize } from './command.ts'
import { requestKeys } from './key-specs.ts'
import { type Run, runOf } from './many-paths.ts'
import { OptionParser } from './option-parser.ts'
import { keptBytes } from './room.ts'
import { bytesOfRequest, largeBytes, type Transaction } from './transaction.ts'
import { ValuePlaces } from './value-places.ts'

/** A command or subcommand with the parts of its declaration that each request needs. */
export interface PreparedCommand extends FoundCommand {
  readonly command: Command
  readonly options: OptionParser | undefined
  /** Whether a log puts the command in order: it may write, or is PUBLISH, as for Redis's replicas. */
  readonly ordered: boolean
  /** Whether the command changes nothing, so that nobody misses it if its reply is not sent. */
  readonly onlyReplies: boolean
  /** Whether the command may take more memory. */
  readonly grows: boolean
  /** Whether the command writes, and `maxmemory` does not refuse it, but it may take memory. */
  readonly takesReserve: boolean
  /** How much of a request the server keeps for the client; absent if the command keeps nothing. */
  readonly keeps: KeptSize | undefined
  /** Whether a call, in an EXEC, counts for `exec-read-time-limit`. */
  readonly broad: Command['broad']
  /** Whether the command runs at once inside MULTI instead of being queued. */
  readonly inMulti: boolean
  /** Whether the command ends a transaction, and so must not be refused for lack of memory. */
  readonly endsMulti: boolean
  readonly noMulti: boolean
  readonly isExec: boolean
  readonly protectedBy: Command['protectedBy']
  /** The arguments that may be large; absent if none may. */
  readonly values: ValuePlaces | undefined
  /** Bytes of V8's heap that a request may take, and add to the tree, about: large values lie outside of it. */
  takesOfHeap(args: RequestArguments, store: Store): number
  /** Whether the audit log tells of it. */
  readonly audited: boolean
  readonly run: Run | undefined
  readonly subcommands: ReadonlyMap<string, PreparedCommand> | undefined
  /** Absent until the first call. */
  stats: CommandStats | undefined
}

/** The commands that end a transaction. EXEC is not here: the queued requests decide (Redis). */
const ENDS_MULTI = ['discard', 'quit', 'reset']

/** Commands that change nothing, though they have not Redis's flag `readonly`, which is about keys. */
const ONLY_REPLY = new Set(
  [
    'acl|cat acl|dryrun acl|genpass acl|getuser acl|list acl|users acl|whoami',
    'client|getname client|getredir client|id client|info client|list client|trackinginfo',
    'command command|count command|docs command|getkeys command|getkeysandflags command|info command|list',
    'config|get echo info lastsave',
    'latency|doctor latency|graph latency|histogram latency|history latency|latest',
    'memory|doctor memory|malloc-stats memory|stats',
    'ping pubsub|channels pubsub|numpat pubsub|numsub role slowlog|get slowlog|len time',
  ].flatMap((names) => names.split(' ')),
)

function onlyReplies({ flags, name }: Command, fullName: string): boolean {
  return flags.includes('readonly') || name === 'help' || ONLY_REPLY.has(fullName)
}

/** A request adds one value at most, with its spare bytes. */
const MAX_ADDED_BYTES = 2 * MAX_VALUE_BYTES

/**
 * What the nodes take that a request may make: a name may have half as many levels as bytes. Most are there already, but a
 * request of 30 bytes that makes two directories takes three times what it takes itself.
 */
function nodeBytes({ keys }: Command, args: RequestArguments): number {
  if (keys === undefined) return 0
  const [first, last, step] = keys
  const end = last < 0 ? args.length + last : Math.min(last, args.length - 1)
  let levels = 0
  for (let i = first; i <= end; i += step) {
    levels += depthOf(textOfValue(args[i]))
  }
  return levels * LEVEL_BYTES
}

/** The writes that make room; most others take some. */
const FREES = new Set('del unlink getdel kdel kcad flushall flushdb swapdb move'.split(' '))

/** A TTL takes memory, as does what is noted of a write for the next checkpoint. */
function takesReserve({ flags, name }: Command): boolean {
  return flags.includes('write') && !flags.includes('denyoom') && !FREES.has(name)
}

function addedBytes(command: Command, args: RequestArguments, store: Store): number {
  const { adds, heapNeed } = command
  if (heapNeed !== undefined) return heapNeed(args)
  if (adds === undefined) return 0
  try {
    const added = adds(args, store)
    // What asks for no whole number is refused when it runs. Were it counted, sums would not be exact any more.
    return Number.isSafeInteger(added) && added > 0 ? Math.min(added, MAX_ADDED_BYTES) : 0
  } catch {
    // Its path is refused when it runs.
    return 0
  }
}

/**
 * Prepares a command and its subcommands.
 *
 * @param fullName `client|list` for a subcommand
 * @param catalogue has the command's number
 */
export function prepareCommand(
  command: Command,
  fullName: string,
  catalogue: CommandCatalogue,
): PreparedCommand {
  const subcommands = command.subcommands?.map(
    (subcommand) =>
      [
        subcommand.name,
        prepareCommand(subcommand, `${fullName}|${subcommand.name}`, catalogue),
      ] as const,
  )
  const id = catalogue.find(fullName)?.id
  if (id === undefined) throw new Error(`${fullName} is not in the catalogue`)
  const makes = command.flags.includes('denyoom') || command.source === 'moved'
  return {
    command,
    fullName,
    arity: command.arity,
    options: command.parsed === true ? new OptionParser(command) : undefined,
    writes: command.flags.includes('write'),
    ordered: command.flags.includes('write') || fullName === 'publish',
    onlyReplies: onlyReplies(command, fullName),
    grows: command.flags.includes('denyoom') || command.keeps !== undefined,
    takesReserve: takesReserve(command),
    keeps: command.keeps === true ? keptBytes : command.keeps,
    broad: command.broad,
    inMulti: command.inMulti === true,
    endsMulti: ENDS_MULTI.includes(fullName),
    noMulti: command.flags.includes('no_multi'),
    isExec: fullName === 'exec',
    protectedBy: command.protectedBy,
    audited: command.audit !== undefined,
    access: accessOfCommand(command, id),
    keysOf: (args) => requestKeys(command, args),
    takes: (args, store) => {
      const bytes = bytesOfRequest(args) + (makes ? nodeBytes(command, args) : 0)
      return bytes + addedBytes(command, args, store)
    },
    takesOfHeap: (args, store) => {
      const bytes = bytesOfRequest(args) - largeBytes(args) + (makes ? nodeBytes(command, args) : 0)
      const added = addedBytes(command, args, store)
      // A longer value lies outside of the heap.
      return bytes + (command.heapNeed === undefined ? Math.min(added, LARGE_VALUE_BYTES) : added)
    },
    values: command.takesValues === undefined ? undefined : new ValuePlaces(command),
    run: runOf(command),
    subcommands: subcommands === undefined ? undefined : new Map(subcommands),
    stats: undefined,
  }
}

/** Whether a request may write. Redis counts PUBLISH as a write, because replicas get messages. */
export function mayWrite(
  { isExec, ordered }: PreparedCommand,
  transaction: Transaction | undefined,
): boolean {
  return isExec ? transaction?.ordered === true : ordered
}
