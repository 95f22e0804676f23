import { clientCommands } from './client.ts'
import type { Command } from './command.ts'
import { commandFamily } from './command-docs.ts'
import { configCommands } from './config.ts'
import { connectionCommands } from './connection.ts'
import { infoCommands } from './info.ts'
import { pubsubCommands } from './pubsub.ts'
import { serverCommands } from './server.ts'
import { treeReadCommands } from './tree-read.ts'
import { treeWatchCommands } from './tree-watch.ts'
import { treeWriteCommands } from './tree-write.ts'

/** Every command there is. */
export const commandTable: readonly Command[] = [
  ...treeReadCommands,
  ...treeWriteCommands,
  ...treeWatchCommands,
  ...pubsubCommands,
  ...connectionCommands,
  ...clientCommands,
  ...commandFamily(() => commandTable),
  ...configCommands,
  ...infoCommands,
  ...serverCommands,
]
