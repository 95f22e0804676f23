import { isIP } from 'node:net'
import { checkServerIdentity } from 'node:tls'
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  credentials,
  type VerifyOptions,
} from '@grpc/grpc-js'
import { readRegularFile } from '../../text/regular-file.ts'

/** Files of certificates, for `https`. */
export interface Certificates {
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
}

const CHANNEL_OPTIONS = {
  // What a failed attempt may have done must be known, so retries are the caller's.
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 3000,
  // etcd sends many events in one message.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
} as const

/** The name of a server in TLS whose URL has an address. */
const NAME_OF_ADDRESS = 'etcd'

/** A way to a member. @param url of the member @throws the system's error if a file of a certificate cannot be read */
export function openChannel(url: string, certificates: Certificates): Client {
  const { host, hostname, protocol } = new URL(url)
  if (protocol === 'http:') return new Client(host, credentials.createInsecure(), CHANNEL_OPTIONS)
  return new Client(host, ...tlsOf(certificates, hostname))
}

/** What a channel with TLS is made with. @param hostname of the URL, which the certificate has to name */
function tlsOf(
  { caFile, certFile, keyFile }: Certificates,
  hostname: string,
): [ChannelCredentials, ChannelOptions] {
  const read = (path: string | undefined): Buffer | null =>
    path === undefined || path === '' ? null : readRegularFile(path)
  const files = [read(caFile), read(keyFile), read(certFile)] as const
  const address = hostname.replace(/^\[|\]$/g, '')
  if (isIP(address) === 0) return [credentials.createSsl(...files), CHANNEL_OPTIONS]
  // TLS knows no addresses as names of servers, and Node.js prints a warning (DEP0123) where one is sent.
  // So another name is sent, and the certificate has to name the address all the same.
  const ofAddress: VerifyOptions = {
    checkServerIdentity: (_, certificate) => checkServerIdentity(address, certificate),
  }
  const named = { ...CHANNEL_OPTIONS, 'grpc.ssl_target_name_override': NAME_OF_ADDRESS }
  return [credentials.createSsl(...files, ofAddress), named]
}
