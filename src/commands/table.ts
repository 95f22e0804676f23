import type { Command } from '../request/command.ts'
import { clientCommands } from './connection/client.ts'
import { connectionCommands } from './connection/hello.ts'
import { keyCommands } from './generic/del.ts'
import { dumpCommands } from './generic/dump.ts'
import { expireCommands } from './generic/expire.ts'
import { objectCommands } from './generic/object.ts'
import { scanCommands } from './generic/scan.ts'
import { pubsubCommands } from './pubsub/subscribe.ts'
import { commandFamily } from './server/command.ts'
import { configCommands } from './server/config.ts'
import { debugCommands } from './server/debug.ts'
import { flushCommands } from './server/flush.ts'
import { infoCommands } from './server/info.ts'
import { latencyCommands } from './server/latency.ts'
import { lolwutCommands } from './server/lolwut.ts'
import { memoryCommands } from './server/memory.ts'
import { replicationCommands } from './server/role.ts'
import { persistenceCommands } from './server/save.ts'
import { serverCommands } from './server/shutdown.ts'
import { slowlogCommands } from './server/slowlog.ts'
import { stringReadCommands } from './string/get.ts'
import { stringNumberCommands } from './string/incr.ts'
import { stringMsetCommands } from './string/mset.ts'
import { stringEditCommands } from './string/range.ts'
import { stringSetCommands } from './string/set.ts'
import { transactionCommands } from './transactions/multi.ts'
import { treeReadCommands } from './tree/kget.ts'
import { treeWriteCommands } from './tree/kset.ts'
import { treeWatchCommands } from './tree/kwatch.ts'

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
