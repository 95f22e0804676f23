// What is written down of a request: ACL LOG, the audit log, SLOWLOG, MONITOR.

import type { User } from '../access/user.ts'
import type { Config } from '../config/config.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import { textOfValue } from '../store/value.ts'
import type { Client, ServerContext } from './client.ts'
import { contextOf, describeClient } from './client-info.ts'
import type { Denial } from './denial.ts'
import { requestKeys } from './key-specs.ts'
import { monitorLine } from './monitor-line.ts'
import { mayShow } from './permission.ts'
import type { PreparedCommand } from './prepared-command.ts'
import { wordsOf } from './value-places.ts'

/** @param set called with the lower threshold of SLOWLOG and LATENCY, in microseconds, now and when it changes */
export function followSlowTime(config: Config, set: (time: number) => void): void {
  const follow = (): void => {
    const slowlog = config.get('slowlog-log-slower-than')
    const latency = config.get('latency-monitor-threshold') * 1000
    set(Math.min(slowlog < 0 ? Infinity : slowlog, latency === 0 ? Infinity : latency))
  }
  follow()
  config.onChange('slowlog-log-slower-than', follow)
  config.onChange('latency-monitor-threshold', follow)
}

/** Adds a denied request to ACL LOG and to the audit log. */
export function noteDenial(
  server: ServerContext,
  client: Client,
  entry: PreparedCommand,
  request: RequestArguments,
  { kind, at }: Denial,
): void {
  const { aclLog, audit } = server
  const args = wordsOf(request)
  const denied = {
    reason: kind,
    context: contextOf(client),
    object: kind === 'command' || at === 0 ? entry.fullName : args[at],
    username: client.user.name,
  }
  aclLog.add(denied, client, describeClient)
  audit?.write('denied', client, {
    command: entry.fullName,
    reason: kind,
    keys: requestKeys(entry.command, args),
    channels:
      entry.command.channels === undefined ? [] : args.slice(1, kind === 'channel' ? at + 1 : 2),
  })
}

/** Adds a served request to the audit log, if its declaration says so. */
export function noteAudited(
  server: ServerContext,
  client: Client,
  { command, fullName }: PreparedCommand,
  args: RequestArguments,
): void {
  const { audit } = command
  if (audit === undefined) return
  const names = audit.names?.(wordsOf(args)) ?? []
  server.audit?.write(audit.event, client, { command: fullName, names })
}

/**
 * Adds a slow request to SLOWLOG and LATENCY.
 *
 * @param time microseconds
 */
export function noteSlow(
  server: ServerContext,
  client: Client,
  entry: PreparedCommand,
  args: RequestArguments,
  time: number,
): void {
  const { slowlog, latency } = server
  const { flags } = entry.command
  latency.add(flags.includes('fast') ? 'fast-command' : 'command', time / 1000)
  if (!flags.includes('skip_slowlog')) {
    slowlog.add(client, args, secretsOf(entry, args), time)
  }
}

/** Shows a request to the clients that MONITOR, if their users may see all that it names. */
export function showToMonitors(
  server: ServerContext,
  client: Client,
  entry: PreparedCommand,
  args: RequestArguments,
): void {
  if (entry.command.flags.includes('admin') || entry.command.flags.includes('skip_monitor')) return
  const now = server.clock.now()
  const time = `${Math.floor(now / 1000)}.${String(now % 1000).padStart(3, '0')}000`
  const address = client.isUnixSocket ? `unix:${client.address.slice(0, -2)}` : client.address
  const secrets = new Set(secretsOf(entry, args))
  const shown = args.map((arg, i) => (secrets.has(i) ? undefined : arg))
  const line = monitorLine(`${time} [0 ${address}]`, shown)
  // Many clients of one user may monitor.
  const judged = new Map<User, boolean>()
  for (const monitor of server.monitors) {
    const { user } = monitor
    if (!judged.has(user)) judged.set(user, mayShow(user, entry.access, args))
    if (judged.get(user) === false) continue
    // CLIENT REPLY mutes these lines too (Redis); SKIP mutes only the line of the skipped request.
    const skipped = monitor === client && client.reply.muted
    if (monitor.replyMode === 'off' || skipped) continue
    try {
      monitor.deliver(typeof line === 'function' ? line() : line)
    } catch (error) {
      // The client that monitors ends, and not the one whose request is shown.
      monitor.fail(error)
    }
  }
}

/** The positions of arguments that nobody must be shown. */
function secretsOf({ command }: PreparedCommand, args: RequestArguments): readonly number[] {
  return command.secrets?.(args.map(textOfValue)) ?? []
}

/** Notes an error that only a bug, or a limit of V8 or of the machine, can be the cause of. */
export function noteUnexpected({ stats, logger }: ServerContext, error: unknown): void {
  stats.unexpectedErrors++
  if (error instanceof RangeError && /allocation failed/.test(error.message)) {
    stats.failedAllocations++
  }
  logger.error({ err: error }, 'a command failed unexpectedly')
}
