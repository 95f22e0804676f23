// SHUTDOWN

import type { Argument } from '../../request/arguments/argument.ts'
import { CommandError, syntaxError } from '../../request/arguments/errors.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import type { Client, ServerContext } from '../../request/client.ts'
import type { Command, Flag } from '../../request/command.ts'
import { guarded } from '../../request/guard.ts'
import { keepsTree, saveTreeLast } from './save.ts'

const ADMIN_FLAGS: readonly Flag[] = ['admin', 'noscript', 'loading', 'stale']

/** An optional argument that is only its name. */
const token = (name: string): Argument => ({
  name,
  type: 'pure-token',
  token: name.toUpperCase(),
  optional: true,
})

/**
 * SHUTDOWN. Options come in any order, repeated or not (Redis). ABORT excludes all others, and SAVE
 * excludes NOSAVE.
 *
 * @throws CommandError
 */
function shutDown(client: Client, args: readonly string[]): void {
  const { server } = client
  const words = new Set<string>()
  for (const arg of args.slice(1)) {
    const word = tokenOf(arg)
    // Checked first, because V8 finds long words slowly in a set.
    if (!['SAVE', 'NOSAVE', 'NOW', 'FORCE', 'ABORT'].includes(word)) throw syntaxError()
    words.add(word)
  }
  const abort = words.has('ABORT')
  if ((abort && words.size > 1) || (words.has('SAVE') && words.has('NOSAVE'))) throw syntaxError()
  // There is never one to abort, because a shutdown waits only for the disk.
  if (abort) throw new CommandError('ERR No shutdown in progress.')
  const mustSave = words.has('SAVE') && !words.has('FORCE')
  const keeps = keepsTree(server) || server.persistenceChanges.isChanging
  if (mustSave && !keeps) throw nothingKept()
  // On success there is no reply: the connection ends.
  if (words.has('NOSAVE') || !keeps) {
    server.shutdown(!words.has('NOSAVE'))
    return
  }
  const resume = client.block(() => {})
  saveLast(server, mustSave).then(
    guarded(client, () => server.shutdown(true)),
    guarded(client, (error: unknown) => {
      server.logger.error({ err: error }, 'the last writes could not be put on disk')
      if (words.has('FORCE')) {
        server.shutdown(true)
        return
      }
      server.persistenceChanges.goOn()
      const isExpected = error instanceof CommandError
      client.reply.error(isExpected ? error.message : 'ERR Errors trying to SHUTDOWN. Check logs.')
      resume()
    }),
  )
}

/**
 * Writes the checkpoint of a server that ends into the directory that it ends with: a change of the directory ends first.
 *
 * @param mustSave whether it is an error that nothing is kept on disk
 */
async function saveLast(server: ServerContext, mustSave: boolean): Promise<void> {
  await server.persistenceChanges.end()
  if (keepsTree(server)) await saveTreeLast(server)
  else if (mustSave) throw nothingKept()
}

function nothingKept(): CommandError {
  return new CommandError('ERR durability is no: nothing is kept on disk')
}

/** Stopping the server. */
export const shutdownCommands: readonly Command[] = [
  {
    name: 'shutdown',
    summary: 'Puts the last writes on disk, unless NOSAVE is given, and stops the server.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: -1,
    flags: [...ADMIN_FLAGS, 'no_multi', 'allow_busy'],
    audit: { event: 'shutdown' },
    args: [
      {
        name: 'nosave-save',
        type: 'oneof',
        optional: true,
        args: [
          { name: 'nosave', type: 'pure-token', token: 'NOSAVE' },
          { name: 'save', type: 'pure-token', token: 'SAVE' },
        ],
      },
      ...['now', 'force', 'abort'].map(token),
    ],
    run: shutDown,
  },
]
