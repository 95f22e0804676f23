import type { AclLogEntry } from '../../access/acl-log.ts'
import { describeCommands } from '../../access/describe-commands.ts'
import type { Selector } from '../../access/selector.ts'
import type { User } from '../../access/user.ts'
import type { Client } from '../../request/client.ts'
import type { ReplyWriter } from '../../resp/reply-writer.ts'

/** The reply of ACL GETUSER; the fields of the root selector stand beside those of the user. */
export function replyUser(reply: ReplyWriter, user: User): void {
  const [root, ...others] = user.selectors
  const flags = user.describeFlags()
  reply.map(6)
  reply.bulk('flags')
  reply.set(flags.length)
  for (const flag of flags) reply.bulk(flag)
  reply.bulk('passwords')
  reply.array(user.passwords.length)
  for (const hash of user.passwords) reply.bulk(hash)
  replySelector(reply, root)
  reply.bulk('selectors')
  reply.array(others.length)
  for (const selector of others) {
    reply.map(3)
    replySelector(reply, selector)
  }
}

/** Three fields of a map. */
function replySelector(reply: ReplyWriter, selector: Selector): void {
  reply.bulk('commands')
  reply.bulk(describeCommands(selector))
  reply.bulk('keys')
  reply.bulk(selector.describeKeys().join(' '))
  reply.bulk('channels')
  reply.bulk(selector.describeChannels().join(' '))
}

/** The reply of ACL LOG. */
export function replyAclLog({ server, reply }: Client, entries: readonly AclLogEntry[]): void {
  const now = server.clock.now()
  reply.array(entries.length)
  for (const { count, reason, context, object, username, client, time } of entries) {
    reply.map(7)
    reply.bulk('count')
    reply.integer(count)
    reply.bulk('reason')
    reply.bulk(reason)
    reply.bulk('context')
    reply.bulk(context)
    reply.bulk('object')
    reply.bulk(object)
    reply.bulk('username')
    reply.bulk(username)
    reply.bulk('age-seconds')
    reply.double((now - time) / 1000)
    reply.bulk('client-info')
    reply.bulk(client)
  }
}
