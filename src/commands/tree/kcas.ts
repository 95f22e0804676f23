// KCAS · KCAD

import { type Argument, type Options, PATH, VALUE } from '../../request/arguments/argument.ts'
import { CommandError } from '../../request/arguments/errors.ts'
import {
  parseWriteOptions,
  REFRESH_ARGUMENT,
  TTL_ARGUMENT,
} from '../../request/arguments/expire-time.ts'
import { parseInteger } from '../../request/arguments/integer.ts'
import type { Command } from '../../request/command.ts'
import type { Value } from '../../store/value.ts'
import { replyEvent } from './event-reply.ts'
import { GROWS, type PathValue, REPLACES, WRITES } from './kset.ts'

const CONDITIONS: readonly Argument[] = [
  { name: 'prev-value', type: 'string', value: true, token: 'PREVVALUE', optional: true },
  { name: 'prev-index', type: 'integer', token: 'PREVINDEX', optional: true },
]

/** @throws CommandError if neither condition is given, or `prev-index` is not a valid index */
function parseConditions(options: Options): { prevValue?: Value; prevIndex?: number } {
  const prevValue = options.value('prev-value')
  const prevIndex = options.get('prev-index')
  if (prevValue === undefined && prevIndex === undefined) {
    throw new CommandError('ERR at least one of PREVVALUE and PREVINDEX must be given')
  }
  return {
    ...(prevValue !== undefined && { prevValue }),
    ...(prevIndex !== undefined && { prevIndex: parseInteger(prevIndex, 0) }),
  }
}

/** Commands that write a file only if it is as expected. */
export const kcasCommands: readonly Command[] = [
  {
    name: 'kcas',
    summary: 'Compare and swap: updates a file if its value, its index or both match.',
    ...GROWS,
    arity: -5,
    keyFlags: REPLACES,
    reach: 'node',
    args: [PATH, VALUE, ...CONDITIONS, TTL_ARGUMENT, REFRESH_ARGUMENT],
    takesValues: true,
    run(client, args: PathValue, options) {
      const { store, clock } = client.server
      const conditions = parseConditions(options)
      const writeOptions = parseWriteOptions(options, clock, 'kcas', args[2])
      replyEvent(client, store.compareAndSwap(args[1], conditions, args[2], writeOptions))
    },
  },
  {
    name: 'kcad',
    summary: 'Compare and delete: deletes a file if its value, its index or both match.',
    ...WRITES,
    arity: -4,
    keyFlags: [['RW', 'access', 'delete']],
    reach: 'node',
    args: [PATH, ...CONDITIONS],
    takesValues: true,
    run(client, args: readonly [name: string, path: string, ...options: Value[]], options) {
      replyEvent(client, client.server.store.compareAndDelete(args[1], parseConditions(options)))
    },
  },
]
