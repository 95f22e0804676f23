import type { Logger } from 'pino'
import { type Config, pathFromBytes } from '../config/config.ts'
import { Etcd } from './etcd/etcd.ts'

/** The etcd that the directives name. @throws the system's error if a file of a certificate cannot be read */
export function etcdOf(config: Config, logger: Logger): Etcd {
  return new Etcd({
    endpoints: config.get('etcd-endpoints'),
    user: config.get('etcd-user'),
    password: config.get('etcd-password'),
    caFile: pathFromBytes(config.get('etcd-ca-file')),
    certFile: pathFromBytes(config.get('etcd-cert-file')),
    keyFile: pathFromBytes(config.get('etcd-key-file')),
    onRefused: (why) =>
      logger.warn(`etcd refuses this node, which goes on when it is let in again: ${why}`),
    onForeign: (url) =>
      logger.warn(
        `${url} is of another cluster of etcd than this node serves, and is left out until it is of this one: check it, and etcd-endpoints`,
      ),
  })
}
