// SUBSCRIBE · UNSUBSCRIBE · PSUBSCRIBE · PUNSUBSCRIBE · PUBLISH · PUBSUB

import type { User } from '../../access/user.ts'
import { hasReplay, isTreeChannel } from '../../pubsub/tree-channel.ts'
import { CommandError } from '../../request/arguments/errors.ts'
import { checkChannel, checkPattern } from '../../request/arguments/pattern.ts'
import type { Client } from '../../request/client.ts'
import type { Command, Flag } from '../../request/command.ts'
import { mayListen, mayReadKey } from '../../request/permission.ts'
import { checkRoomToRead } from '../../request/room.ts'
import { replySearch, Search, triesOf } from '../../request/search.ts'
import { listSource, textBytes, writeBulk, writeList } from '../../resp/reply-list.ts'
import type { ReplyWriter } from '../../resp/reply-writer.ts'
import type { Value } from '../../store/value.ts'
import { Glob } from '../../text/glob.ts'
import { withHelp } from '../subcommand-help.ts'

const SUBSCRIBE_FLAGS: readonly Flag[] = ['pubsub', 'noscript', 'loading', 'stale']
/** What the channels of keyspace notifications that are named after keys begin with. */
const KEYSPACE_CHANNEL = '__keyspace@0__:'
/** A channel that is listed takes this much memory, in bytes: the channel itself is kept anyway. */
const REFERENCE_BYTES = 8
/** A channel with its count takes this much besides its name. */
const COUNT_BYTES = 40
/** And this much of the heap while the list moves to a longer one. */
const PLACE_BYTES = 24
const CHANNELS = { name: 'channel', type: 'string', multiple: true } as const
const PATTERNS = { name: 'pattern', type: 'pattern', multiple: true } as const

/** Redis's error for PUBSUB CHANNELS with too many arguments. */
function wrongSubcommandArguments(name: string): CommandError {
  return new CommandError(
    `ERR unknown subcommand or wrong number of arguments for '${name}'. Try PUBSUB HELP.`,
  )
}

/** Whether a user may know that somebody listens to a channel: some channels are named after nodes. */
function mayKnowChannel(user: User, channel: string): boolean {
  if (isTreeChannel(channel)) return mayListen(user, channel, false)
  if (!channel.startsWith(KEYSPACE_CHANNEL)) return true
  return mayReadKey(user, channel.slice(KEYSPACE_CHANNEL.length))
}

/** PUBSUB CHANNELS: as they are now, chosen in pieces, because a user may have many patterns. */
function replyChannels(client: Client, glob: Glob | undefined): void {
  const { server, user } = client
  const { pubsub } = server
  if (!pubsub.hasList) checkRoomToRead(server.memory, PLACE_BYTES * pubsub.channelCount)
  const all = pubsub.channels
  const channels: string[] = []
  const tries = triesOf(user) + (glob === undefined ? 0 : 1)
  const search = new Search({
    texts: all.values() as Iterator<string, undefined>,
    tries,
    shared: [{ key: all, weight: 2 * REFERENCE_BYTES * all.length }],
    weight: () => REFERENCE_BYTES * channels.length,
    look: (channel) => {
      if (glob !== undefined && !glob.matches(channel)) return
      if (mayKnowChannel(user, channel)) channels.push(channel)
    },
    reply: (writer) => {
      writer.array(channels.length)
      return listSource(channels, writeBulk)
    },
  })
  replySearch(client, search, all.length, tries)
}

/** PUBSUB NUMSUB: as they are now, checked in pieces, because a user may have many patterns. */
function replyCounts(client: Client, channels: readonly string[]): void {
  const { server, reply, user } = client
  const counts = channels.map((channel) => ({
    channel,
    count: server.pubsub.subscribers(channel),
  }))
  const bytes = COUNT_BYTES * channels.length + textBytes(channels)
  const write = (writer: ReplyWriter, { channel, count }: (typeof counts)[number]): void => {
    writer.bulk(channel)
    writer.integer(count)
  }
  if (user.unrestricted) {
    reply.array(2 * channels.length)
    writeList(reply, counts, write, bytes)
    return
  }
  const tries = triesOf(user)
  let at = 0
  const search = new Search({
    texts: channels.values() as Iterator<string, undefined>,
    tries,
    weight: () => bytes,
    look: (channel) => {
      if (!mayKnowChannel(user, channel)) counts[at].count = 0
      at++
    },
    reply: (writer) => {
      writer.array(2 * channels.length)
      return listSource(counts, write, bytes)
    },
  })
  replySearch(client, search, channels.length, tries)
}

/** Redis's pub/sub. A channel that begins with a slash watches the tree. */
export const subscribeCommands: readonly Command[] = [
  {
    name: 'subscribe',
    summary: 'Subscribes to channels; a channel that begins with a slash watches the tree.',
    group: 'pubsub',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of channels',
    arity: -2,
    flags: SUBSCRIBE_FLAGS,
    broad: hasReplay,
    channels: 'listen',
    args: [CHANNELS],
    keeps: true,
    inPubSub: true,
    run(client, args) {
      client.server.pubsub.subscribe(client, args.slice(1))
    },
  },
  {
    name: 'unsubscribe',
    summary: 'Unsubscribes from the given channels, or from all.',
    group: 'pubsub',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of channels',
    arity: -1,
    flags: SUBSCRIBE_FLAGS,
    args: [{ ...CHANNELS, optional: true }],
    inPubSub: true,
    run(client, args) {
      client.server.pubsub.unsubscribe(client, args.slice(1))
    },
  },
  {
    name: 'psubscribe',
    summary:
      'Subscribes to patterns; a pattern that begins with a slash is matched against changed keys.',
    group: 'pubsub',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of patterns',
    arity: -2,
    flags: SUBSCRIBE_FLAGS,
    channels: 'patterns',
    args: [PATTERNS],
    keeps: true,
    inPubSub: true,
    run(client, args) {
      client.server.pubsub.patternSubscribe(client, args.slice(1))
    },
  },
  {
    name: 'punsubscribe',
    summary: 'Unsubscribes from the given patterns, or from all.',
    group: 'pubsub',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of patterns',
    arity: -1,
    flags: SUBSCRIBE_FLAGS,
    args: [{ ...PATTERNS, optional: true }],
    inPubSub: true,
    run(client, args) {
      client.server.pubsub.patternUnsubscribe(client, args.slice(1))
    },
  },
  {
    name: 'publish',
    summary: 'Sends a message to the subscribers of an ordinary channel.',
    group: 'pubsub',
    since: '0.1.0',
    complexity: 'O(N+M) where N is the number of subscribers and M the number of patterns',
    arity: 3,
    flags: ['pubsub', 'loading', 'stale', 'fast'],
    channels: 'publish',
    args: [
      { name: 'channel', type: 'string' },
      { name: 'message', type: 'string', value: true },
    ],
    takesValues: true,
    run(client, args: readonly [name: string, channel: string, message: Value]) {
      if (args[1].startsWith('/')) {
        throw new CommandError(
          'ERR a channel that begins with a slash carries the events of the tree; write the node instead',
        )
      }
      checkChannel(args[1])
      client.reply.integer(client.server.pubsub.publish(args[1], args[2]))
    },
  },
  {
    name: 'pubsub',
    summary: 'Shows channels, patterns and the numbers of subscribers.',
    group: 'pubsub',
    since: '0.1.0',
    arity: -2,
    flags: [],
    subcommands: withHelp('pubsub', 'pubsub', [
      {
        name: 'channels',
        summary: 'Lists the channels that have subscribers.',
        group: 'pubsub',
        since: '0.1.0',
        complexity: 'O(N) where N is the number of channels',
        arity: -2,
        flags: ['pubsub', 'loading', 'stale'],
        broad: true,
        args: [{ name: 'pattern', type: 'pattern', optional: true }],
        run(client, args) {
          if (args.length > 3) throw wrongSubcommandArguments(args[1])
          const pattern = args[2]
          if (pattern !== undefined) checkPattern(pattern)
          const glob = pattern === undefined ? undefined : new Glob(pattern)
          replyChannels(client, glob)
        },
      },
      {
        name: 'numsub',
        summary: 'Returns the numbers of subscribers of channels.',
        group: 'pubsub',
        since: '0.1.0',
        complexity: 'O(N) where N is the number of channels asked for',
        arity: -2,
        flags: ['pubsub', 'loading', 'stale'],
        broad: true,
        args: [{ ...CHANNELS, optional: true }],
        run(client, args) {
          replyCounts(client, args.slice(2))
        },
      },
      {
        name: 'numpat',
        summary: 'Returns the number of patterns that have subscribers.',
        group: 'pubsub',
        since: '0.1.0',
        complexity: 'O(1)',
        arity: 2,
        flags: ['pubsub', 'loading', 'stale'],
        run(client) {
          client.reply.integer(client.server.pubsub.patternCount)
        },
      },
    ]),
  },
]
