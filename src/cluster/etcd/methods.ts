import type { MethodDefinition } from '@grpc/grpc-js'
import { fromJSON } from '@grpc/proto-loader'
import { apiDescription } from './messages.ts'

type Methods = Readonly<Record<string, MethodDefinition<object, object>>>

const api = fromJSON(apiDescription(), { keepCase: true, longs: Number, defaults: true })
const methodsOf = (service: string): Methods => api[`etcdserverpb.${service}`] as unknown as Methods

// etcd's services.
export const KV = methodsOf('KV')
export const LEASE = methodsOf('Lease')
export const WATCH = methodsOf('Watch')
export const MAINTENANCE = methodsOf('Maintenance')
export const AUTH = methodsOf('Auth')
