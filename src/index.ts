/**
 * ktree as a library: the store alone, or a server in your own process. It takes and gives text, and
 * bytes where one asks for bytes.
 *
 * @module
 */
export { ConfigError } from './config/config.ts'
export { Config } from './library/config.ts'
export type { Event, NodeExtern } from './library/event.ts'
export { type RunningServer, type StartOptions, startServer } from './library/server.ts'
export { type Conditions, type Listener, Store } from './library/store.ts'
export type { Text } from './library/text.ts'
export { type Clock, ManualClock, systemClock } from './store/clock.ts'
export {
  type ErrorCode,
  type ErrorName,
  IndexError,
  PathError,
  SnapshotError,
  StoreError,
} from './store/errors.ts'
export type { Action } from './store/event.ts'
export type { StoreOptions, WatchOptions, WriteOptions } from './store/store.ts'
export type { Watcher } from './store/watcher-hub.ts'
