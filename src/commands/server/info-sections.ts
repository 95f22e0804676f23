import { arch, release, totalmem, type } from 'node:os'
import type { CommandStats } from '../../metrics/counters.ts'
import type { ServerContext } from '../../request/client.ts'
import { redisVersion, version } from '../../version.ts'
import { censusOf } from './client-census.ts'
import { savesOf } from './save.ts'

/** A section's lines `name:value`, with Redis's names where Redis has the same field. */
type Fields = readonly (readonly [name: string, value: string | number])[]

/** One section of INFO. */
export interface InfoSection {
  /** The name that requests use. */
  readonly name: string
  /** The section's heading. */
  readonly title: string
  /** Whether it is shown only if requested by name, or by `all`. */
  readonly onRequest?: true
  fields(server: ServerContext): Fields
}

/** In bytes; read once, as in Redis. */
const SYSTEM_MEMORY = totalmem()

const UNITS = ['K', 'M', 'G', 'T', 'P']

/** Formats bytes for people, as Redis does: `1.50M`. */
export function humanBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length)
  return `${(bytes / 1024 ** power).toFixed(2)}${UNITS[power - 1]}`
}

function serverFields(server: ServerContext): Fields {
  const now = server.clock.now()
  const uptime = Math.max(0, Math.floor((now - server.startedAt) / 1000))
  return [
    // Clients choose the commands they use by `redis_version`.
    ['redis_version', redisVersion],
    ['ktree_version', version],
    ['redis_mode', 'standalone'],
    ['os', `${type()} ${release()} ${arch()}`],
    ['arch_bits', arch().includes('64') ? 64 : 32],
    ['node_version', process.versions.node],
    ['process_id', process.pid],
    ['run_id', server.runId],
    ['tcp_port', server.port],
    ['server_time_usec', now * 1000],
    ['uptime_in_seconds', uptime],
    ['uptime_in_days', Math.floor(uptime / 86_400)],
    ['executable', process.execPath],
    ['config_file', server.configFile ?? ''],
  ]
}

function clientsFields({ clients, config }: ServerContext): Fields {
  const { blocked, subscribers, largestInput, largestOutput } = censusOf(clients)
  return [
    ['connected_clients', clients.size],
    ['maxclients', config.get('maxclients')],
    ['client_recent_max_input_buffer', largestInput],
    ['client_recent_max_output_buffer', largestOutput],
    ['blocked_clients', blocked],
    ['pubsub_clients', subscribers],
  ]
}

function memoryFields({ config, memory }: ServerContext): Fields {
  const used = memory.measure()
  const rss = memory.resident()
  const { peak } = memory
  const dataset = Math.max(0, used - memory.startup)
  const limit = config.get('maxmemory')
  return [
    ['used_memory', used],
    ['used_memory_human', humanBytes(used)],
    ['used_memory_rss', rss],
    ['used_memory_rss_human', humanBytes(rss)],
    ['used_memory_peak', peak],
    ['used_memory_peak_human', humanBytes(peak)],
    ['used_memory_peak_perc', `${((100 * used) / peak).toFixed(2)}%`],
    ['used_memory_overhead', used - dataset],
    ['used_memory_startup', memory.startup],
    ['used_memory_dataset', dataset],
    ['used_memory_dataset_perc', `${((100 * dataset) / used).toFixed(2)}%`],
    ['heap_total', memory.heapTotal],
    ['heap_used', memory.heapUsed],
    ['heap_limit', memory.heapLimit],
    ['total_system_memory', SYSTEM_MEMORY],
    ['total_system_memory_human', humanBytes(SYSTEM_MEMORY)],
    // ktree has no scripts, but monitoring programs expect these fields.
    ['used_memory_lua', 0],
    ['used_memory_lua_human', humanBytes(0)],
    ['maxmemory', limit],
    ['maxmemory_human', humanBytes(limit)],
    // Nothing is ever evicted.
    ['maxmemory_policy', 'noeviction'],
    ['mem_fragmentation_ratio', (rss / used).toFixed(2)],
    ['mem_allocator', 'v8'],
  ]
}

/** Redis's fields, where a save is a checkpoint, and the append-only file is the journal. */
function persistenceFields(server: ServerContext): Fields {
  const { persistence } = server
  const { durability, failure, status: now } = persistence
  const saves = savesOf(server)
  const running = saves.isRunning ? 1 : 0
  const status = (failed: string | undefined): string => (failed === undefined ? 'ok' : 'err')
  const seconds = saves.lastDuration === undefined ? -1 : Math.round(saves.lastDuration / 1000)
  return [
    // Clients wait until it is 0. It always is, because a server loads its state before it listens.
    ['loading', 0],
    ['async_loading', 0],
    ['rdb_changes_since_last_save', now.unsavedWrites],
    ['rdb_bgsave_in_progress', running],
    ['rdb_last_save_time', Math.floor(saves.lastSave / 1000)],
    ['rdb_last_bgsave_status', status(failure ?? saves.failure)],
    ['rdb_last_bgsave_time_sec', seconds],
    ['aof_enabled', durability === 'no' ? 0 : 1],
    ['aof_rewrite_in_progress', running],
    ['aof_last_rewrite_time_sec', seconds],
    ['aof_last_bgrewrite_status', status(saves.failure)],
    ['aof_last_write_status', status(failure)],
    ['aof_current_size', now.journalSize],
    ['aof_delayed_fsync', now.delays],
    ['durability', durability],
    ['data_directory', persistence.directory],
    ['journal_size', now.journalSize],
    ['journal_unsynced_bytes', now.unsyncedBytes],
    ['last_fsync_usec', Math.round((now.syncDuration ?? 0) * 1000)],
    ['checkpoints', now.checkpoints.count],
    ['last_checkpoint_usec', Math.round((now.checkpoints.lastDuration ?? 0) * 1000)],
    ['last_checkpoint_bytes', now.checkpoints.lastBytes],
    ['write_error', failure ?? saves.failure ?? ''],
  ]
}

function statsFields(server: ServerContext): Fields {
  const { stats, store, pubsub, throughput } = server
  const rates = throughput.measure()
  return [
    ['total_connections_received', stats.connectionsReceived],
    ['total_commands_processed', stats.commandsProcessed],
    ['instantaneous_ops_per_sec', Math.round(rates.commands)],
    ['total_net_input_bytes', stats.inputBytes],
    ['total_net_output_bytes', stats.outputBytes],
    ['instantaneous_input_kbps', (rates.inputBytes / 1024).toFixed(2)],
    ['instantaneous_output_kbps', (rates.outputBytes / 1024).toFixed(2)],
    ['rejected_connections', stats.connectionsRejected],
    ['expired_keys', store.stats.expireCount],
    ['evicted_keys', 0],
    ['evicted_clients', stats.evictedClients],
    ['keyspace_hits', stats.keyspaceHits + store.stats.getsSuccess],
    ['keyspace_misses', stats.keyspaceMisses + store.stats.getsFail],
    ['pubsub_channels', pubsub.channelCount],
    ['pubsub_patterns', pubsub.patternCount],
    ['watchers', store.hub.count],
    ['unexpected_error_replies', stats.unexpectedErrors],
    ['total_error_replies', stats.errorReplies],
    ['client_output_buffer_limit_disconnections', stats.outputLimitDisconnections],
    ['lost_log_lines', server.lostLogLines()],
  ]
}

function replicationFields(): Fields {
  return [
    ['role', 'master'],
    ['connected_slaves', 0],
  ]
}

function cpuFields(): Fields {
  const { user, system } = process.cpuUsage()
  return [
    ['used_cpu_sys', (system / 1e6).toFixed(6)],
    ['used_cpu_user', (user / 1e6).toFixed(6)],
  ]
}

function commandFields({ commandStats }: ServerContext): Fields {
  const used = [...commandStats].filter(
    ([, { calls, rejectedCalls }]) => calls > 0 || rejectedCalls > 0,
  )
  return used.map(([name, stats]) => [`cmdstat_${name}`, describeCommandStats(stats)])
}

function describeCommandStats({ calls, time, rejectedCalls, failedCalls }: CommandStats): string {
  const each = calls === 0 ? 0 : time / calls
  const times = `usec=${Math.round(time)},usec_per_call=${each.toFixed(2)}`
  return `calls=${calls},${times},rejected_calls=${rejectedCalls},failed_calls=${failedCalls}`
}

function errorFields({ stats }: ServerContext): Fields {
  return [...stats.errorCodes].map(([code, count]) => [`errorstat_${code}`, `count=${count}`])
}

function clusterFields({ group }: ServerContext): Fields {
  // Clients take this for Redis Cluster, which a group is not.
  const redis = ['cluster_enabled', 0] as const
  if (group === undefined) return [redis]
  return [
    redis,
    ['group_node', group.name],
    ['group_state', group.state],
    ['group_applied_revision', group.position],
    ['group_log_revision', group.end],
    ['group_lag_ms', group.lag.ms],
    ['group_etcd_silence_ms', Math.round(group.silence)],
    ['group_waiting_writes', group.waiting],
    ['group_log_batches', group.log.batches],
    ['group_log_bytes', group.log.bytes],
    ['group_clock_ahead_ms', group.clockAhead],
    ['group_elected', group.isElected ? 1 : 0],
  ]
}

function keyspaceFields({ store }: ServerContext): Fields {
  const { files, leases } = store
  // Redis leaves out an empty database.
  return files + leases === 0 ? [] : [['db0', `keys=${files},expires=${leases},avg_ttl=0`]]
}

/** All sections, in the order in which INFO shows them. */
export const infoSections: readonly InfoSection[] = [
  { name: 'server', title: 'Server', fields: serverFields },
  { name: 'clients', title: 'Clients', fields: clientsFields },
  { name: 'memory', title: 'Memory', fields: memoryFields },
  { name: 'persistence', title: 'Persistence', fields: persistenceFields },
  { name: 'stats', title: 'Stats', fields: statsFields },
  { name: 'replication', title: 'Replication', fields: replicationFields },
  { name: 'cpu', title: 'CPU', fields: cpuFields },
  { name: 'modules', title: 'Modules', fields: () => [] },
  { name: 'commandstats', title: 'Commandstats', onRequest: true, fields: commandFields },
  { name: 'errorstats', title: 'Errorstats', fields: errorFields },
  { name: 'cluster', title: 'Cluster', fields: clusterFields },
  { name: 'keyspace', title: 'Keyspace', fields: keyspaceFields },
]
