import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js'
import { fromJSON } from '@grpc/proto-loader'
import { afterEach, expect, test } from 'vitest'
import { Etcd } from '../../src/cluster/etcd/etcd.ts'
import { apiDescription } from '../../src/cluster/etcd/messages.ts'

const KEY = Buffer.from('k')

let server: Server | undefined
afterEach(() => server?.forceShutdown())

test('a read that takes long is given more time each time', async () => {
  const api = fromJSON(apiDescription(), { keepCase: true, longs: Number, defaults: true })
  const { Range } = api['etcdserverpb.KV'] as ServiceDefinition
  const given: number[] = []
  server = new Server()
  const range: handleUnaryCall<object, object> = (call, reply) => {
    given.push(Number(call.getDeadline()) - Date.now())
    if (given.length < 4) reply({ code: status.DEADLINE_EXCEEDED })
    else reply(null, { kvs: [] })
  }
  server.addService({ Range }, { Range: range })
  const port = await new Promise<number>((resolve, reject) =>
    server?.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  const etcd = new Etcd({ endpoints: [`http://127.0.0.1:${port}`] })
  expect(await etcd.range({ key: KEY })).toMatchObject({ kvs: [] })
  etcd.close()
  for (const [i, time] of given.entries()) if (i > 0) expect(time).toBeGreaterThan(given[i - 1])
})
