import type { Command } from '../request/command.ts'
import { clientCommands } from './connection/client.ts'
import { helloCommands } from './connection/hello.ts'
import { pingCommands } from './connection/ping.ts'
import { resetCommands } from './connection/reset.ts'
import { copyCommands } from './generic/copy.ts'
import { delCommands } from './generic/del.ts'
import { dumpCommands } from './generic/dump.ts'
import { expireCommands } from './generic/expire.ts'
import { keysCommands } from './generic/keys.ts'
import { objectCommands } from './generic/object.ts'
import { renameCommands } from './generic/rename.ts'
import { scanCommands } from './generic/scan.ts'
import { ttlCommands } from './generic/ttl.ts'
import { waitCommands } from './generic/wait.ts'
import { subscribeCommands } from './pubsub/subscribe.ts'
import { aclCommands } from './server/acl.ts'
import { commandFamily } from './server/command.ts'
import { configCommands } from './server/config.ts'
import { dbsizeCommands } from './server/dbsize.ts'
import { debugCommands } from './server/debug.ts'
import { flushCommands } from './server/flush.ts'
import { infoCommands } from './server/info.ts'
import { latencyCommands } from './server/latency.ts'
import { lolwutCommands } from './server/lolwut.ts'
import { memoryCommands } from './server/memory.ts'
import { monitorCommands } from './server/monitor.ts'
import { roleCommands } from './server/role.ts'
import { saveCommands } from './server/save.ts'
import { shutdownCommands } from './server/shutdown.ts'
import { slowlogCommands } from './server/slowlog.ts'
import { timeCommands } from './server/time.ts'
import { getCommands } from './string/get.ts'
import { incrCommands } from './string/incr.ts'
import { msetCommands } from './string/mset.ts'
import { rangeCommands } from './string/range.ts'
import { setCommands } from './string/set.ts'
import { multiCommands } from './transactions/multi.ts'
import { kcasCommands } from './tree/kcas.ts'
import { kdelCommands } from './tree/kdel.ts'
import { kgetCommands } from './tree/kget.ts'
import { ksaveCommands } from './tree/ksave.ts'
import { ksetCommands } from './tree/kset.ts'
import { kstatsCommands } from './tree/kstats.ts'
import { ksyncCommands } from './tree/ksync.ts'
import { kwatchCommands } from './tree/kwatch.ts'

/** All commands. */
export const commandTable: readonly Command[] = [
  ...kgetCommands,
  ...ksetCommands,
  ...kcasCommands,
  ...kdelCommands,
  ...kwatchCommands,
  ...kstatsCommands,
  ...ksyncCommands,
  ...ksaveCommands,
  ...setCommands,
  ...getCommands,
  ...rangeCommands,
  ...incrCommands,
  ...msetCommands,
  ...dumpCommands,
  ...expireCommands,
  ...ttlCommands,
  ...flushCommands,
  ...delCommands,
  ...renameCommands,
  ...copyCommands,
  ...objectCommands,
  ...scanCommands,
  ...keysCommands,
  ...subscribeCommands,
  ...helloCommands,
  ...pingCommands,
  ...resetCommands,
  ...clientCommands,
  ...commandFamily(() => commandTable),
  ...configCommands,
  ...aclCommands,
  ...infoCommands,
  ...saveCommands,
  ...timeCommands,
  ...dbsizeCommands,
  ...monitorCommands,
  ...shutdownCommands,
  ...multiCommands,
  ...roleCommands,
  ...waitCommands,
  ...lolwutCommands,
  ...debugCommands,
  ...memoryCommands,
  ...latencyCommands,
  ...slowlogCommands,
]
