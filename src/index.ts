/**
 * ktree as a library: the store alone, or a server in your own process.
 *
 * @module
 */
export { Config, ConfigError } from './config/config.ts'
export { type RunningServer, type StartOptions, startServer } from './server/start.ts'
export { type Clock, ManualClock, systemClock } from './store/clock.ts'
export {
  type ErrorCode,
  type ErrorName,
  IndexError,
  PathError,
  SnapshotError,
  StoreError,
} from './store/errors.ts'
export type { Action, Event, NodeExtern } from './store/event.ts'
export {
  type Conditions,
  Store,
  type StoreOptions,
  type WatchOptions,
  type WriteOptions,
} from './store/store.ts'
export type { Value } from './store/value.ts'
export type { Listener, Watcher } from './store/watcher-hub.ts'
