import { randomBytes } from 'node:crypto'
import {
  type RunningServer,
  type StartOptions,
  startServer as start,
} from '../../src/server/start.ts'

export type { RunningServer, StartOptions }

/** Starts a server as the only node of a group of its own. */
export function startServer(options: StartOptions = {}): Promise<RunningServer> {
  const directives = {
    'etcd-endpoints': [process.env.KTREE_ETCD ?? ''],
    'etcd-prefix': `/${randomBytes(8).toString('hex')}/`,
    ...options.directives,
  }
  return start({ ...options, directives })
}
