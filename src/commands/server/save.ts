// SAVE · BGSAVE · BGREWRITEAOF · LASTSAVE

import { CommandError } from '../../request/arguments/errors.ts'
import type { ServerContext } from '../../request/client.ts'
import type { Command, Flag } from '../../request/command.ts'
import type { SaveStatus } from '../../request/group.ts'
import { replyLater } from '../../request/reply-later.ts'

const FLAGS: readonly Flag[] = ['admin', 'noscript', 'no_async_loading']

/** Whether the server keeps the tree, or a node of a group its copy, on disk. */
export function keepsTree({ persistence, group, config }: ServerContext): boolean {
  const durability = group === undefined ? persistence.durability : config.get('durability')
  return durability !== 'no'
}

/** How the saves of the tree are going. */
export function savesOf({ persistence, group }: ServerContext): SaveStatus {
  return group?.copies ?? persistence.status.checkpoints
}

/** Writes a checkpoint, or the copy of a node of a group. @throws CommandError with durability no */
export function saveTree(server: ServerContext): Promise<void> {
  const { persistence, group } = server
  if (!keepsTree(server)) throw new CommandError('ERR durability is no: nothing is kept on disk')
  return group === undefined ? persistence.save() : group.copies.save()
}

/** Like {@link saveTree}, for a server that ends. */
export function saveTreeLast(server: ServerContext): Promise<void> {
  return server.group === undefined ? saveTree(server) : server.group.copies.saveLast()
}

/** Does not wait for the end. */
function saveInBackground(server: ServerContext, command: string): void {
  const { logger } = server
  saveTree(server).catch((error: unknown) => logger.warn({ err: error }, `${command} failed`))
}

/** Writing checkpoints, which make the journal before them needless. */
export const saveCommands: readonly Command[] = [
  {
    name: 'save',
    summary: 'Writes a checkpoint of all writes so far, and replies when it is on the disk.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of nodes changed since the last checkpoint',
    arity: 1,
    flags: [...FLAGS, 'no_multi'],
    run(client) {
      const { reply, server } = client
      replyLater(client, saveTree(server), () => reply.ok())
    },
  },
  {
    name: 'bgsave',
    summary: 'Writes a checkpoint of all writes so far in the background.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: -1,
    flags: FLAGS,
    args: [{ name: 'schedule', type: 'pure-token', token: 'SCHEDULE', optional: true }],
    parsed: true,
    run({ reply, server }) {
      saveInBackground(server, 'BGSAVE')
      reply.simple('Background saving started')
    },
  },
  {
    name: 'bgrewriteaof',
    summary: 'Writes a checkpoint in the background, which shortens the journal.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 1,
    flags: FLAGS,
    run({ reply, server }) {
      saveInBackground(server, 'BGREWRITEAOF')
      reply.simple('Background append only file rewriting started')
    },
  },
  {
    name: 'lastsave',
    summary: 'Returns the time of the last checkpoint, in Unix seconds.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    categories: ['admin'],
    run({ reply, server }) {
      reply.integer(Math.floor(savesOf(server).lastSave / 1000))
    },
  },
]
