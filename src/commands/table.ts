import { clientCommands } from './client.ts'
import type { Command } from './command.ts'
import { commandFamily } from './command-docs.ts'
import { configCommands } from './config.ts'
import { connectionCommands } from './connection.ts'
import { debugCommands } from './debug.ts'
import { dumpCommands } from './dump.ts'
import { expireCommands } from './expire.ts'
import { flushCommands } from './flush.ts'
import { infoCommands } from './info.ts'
import { keyCommands } from './keys.ts'
import { latencyCommands } from './latency.ts'
import { lolwutCommands } from './lolwut.ts'
import { memoryCommands } from './memory.ts'
import { objectCommands } from './object.ts'
import { persistenceCommands } from './persistence.ts'
import { pubsubCommands } from './pubsub.ts'
import { replicationCommands } from './replication.ts'
import { scanCommands } from './scan.ts'
import { serverCommands } from './server.ts'
import { slowlogCommands } from './slowlog.ts'
import { stringEditCommands } from './string-edit.ts'
import { stringMsetCommands } from './string-mset.ts'
import { stringNumberCommands } from './string-number.ts'
import { stringReadCommands } from './string-read.ts'
import { stringSetCommands } from './string-set.ts'
import { transactionCommands } from './transactions.ts'
import { treeReadCommands } from './tree-read.ts'
import { treeWatchCommands } from './tree-watch.ts'
import { treeWriteCommands } from './tree-write.ts'

/** Every command there is. */
export const commandTable: readonly Command[] = [
  ...treeReadCommands,
  ...treeWriteCommands,
  ...treeWatchCommands,
  ...stringSetCommands,
  ...stringReadCommands,
  ...stringEditCommands,
  ...stringNumberCommands,
  ...stringMsetCommands,
  ...dumpCommands,
  ...expireCommands,
  ...flushCommands,
  ...keyCommands,
  ...objectCommands,
  ...scanCommands,
  ...pubsubCommands,
  ...connectionCommands,
  ...clientCommands,
  ...commandFamily(() => commandTable),
  ...configCommands,
  ...infoCommands,
  ...persistenceCommands,
  ...serverCommands,
  ...transactionCommands,
  ...replicationCommands,
  ...lolwutCommands,
  ...debugCommands,
  ...memoryCommands,
  ...latencyCommands,
  ...slowlogCommands,
]
