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
const TXN = { compare: [], success: [] }

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

type Method = handleUnaryCall<object, object>

/** Serves methods of etcd's, by their service and name. @returns a client */
async function clientOf(methods: Record<string, Method>, user?: string): Promise<Etcd> {
  const api = fromJSON(apiDescription(), { keepCase: true, longs: Number, defaults: true })
  const server = new Server()
  for (const [path, method] of Object.entries(methods)) {
    const [service, name] = path.split('/')
    const { [name]: definition } = api[`etcdserverpb.${service}`] as ServiceDefinition
    server.addService({ [name]: definition }, { [name]: method })
  }
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  const etcd = new Etcd({ endpoints: [`http://127.0.0.1:${port}`], ...(user && { user }) })
  ends.push(
    () => etcd.close(),
    () => server.forceShutdown(),
  )
  return etcd
}

test('a read that takes long is given more time each time', async () => {
  const given: number[] = []
  const etcd = await clientOf({
    'KV/Range': (call, reply) => {
      given.push(Number(call.getDeadline()) - Date.now())
      if (given.length < 4) reply({ code: status.DEADLINE_EXCEEDED })
      else reply(null, { kvs: [] })
    },
  })
  expect(await etcd.range({ key: KEY })).toMatchObject({ kvs: [] })
  for (const [i, time] of given.entries()) if (i > 0) expect(time).toBeGreaterThan(given[i - 1])
})

test('an etcd that answers too late is given more time each time, and what it needs when it answers', async () => {
  const given: number[] = []
  let isLate = true
  const answer: Method = (call, reply) => {
    given.push(Math.round((Number(call.getDeadline()) - Date.now()) / 1000))
    if (isLate) reply({ code: status.DEADLINE_EXCEEDED })
    else reply(null, { kvs: [], responses: [] })
  }
  const etcd = await clientOf({ 'KV/Txn': answer, 'KV/Range': answer })
  for (let i = 0; i < 3; i++) {
    await expect(etcd.txn(TXN)).rejects.toThrow()
    await expect(etcd.rangeOnce({ key: KEY })).rejects.toThrow()
  }
  isLate = false
  for (let i = 0; i < 2; i++) await etcd.txn(TXN)
  expect(given).toEqual([1, 2, 4, 8, 8, 8, 8, 1])
})

test('what is refused for now is asked again, and what is refused for good is not', async () => {
  const answers = [
    { code: status.RESOURCE_EXHAUSTED, details: 'etcdserver: too many requests' },
    { code: status.INVALID_ARGUMENT, details: 'etcdserver: revision of auth store is old' },
    { code: status.UNAUTHENTICATED, details: 'etcdserver: invalid auth token' },
    { code: status.UNAVAILABLE, details: 'etcdserver: no leader' },
    undefined,
    { code: status.PERMISSION_DENIED, details: 'etcdserver: permission denied' },
  ]
  const answer: Method = (_, reply) => {
    const error = answers.shift()
    if (error === undefined) reply(null, { responses: [] })
    else reply(error)
  }
  const etcd = await clientOf({ 'KV/Txn': answer })
  await etcd.txnAgain(TXN)
  await expect(etcd.txnAgain(TXN)).rejects.toThrow('permission denied')
  expect(answers).toEqual([])
})

test.each([
  ['etcdserver: too many requests', true],
  ['etcdserver: mvcc: database space exceeded', true],
  ['grpc: received message larger than max (3 vs. 2)', true],
  // So gRPC calls what stands between, and ends the request because it has too much to do.
  ['Bandwidth exhausted or memory limit exceeded', false],
])('"%s" says that it was not done: %s', async (details, refused) => {
  const error = { code: status.RESOURCE_EXHAUSTED, details }
  const etcd = await clientOf({ 'KV/Txn': (_, reply) => reply(error) })
  await expect(etcd.txn(TXN)).rejects.toMatchObject({ message: details, refused })
})

test('what may have been done is not done again because another request met a stale token', async () => {
  const made: (() => void)[] = []
  let logins = 0
  let noteMade = (): void => {}
  const isMade = new Promise<void>((resolve) => {
    noteMade = resolve
  })
  const etcd = await clientOf(
    {
      'Auth/Authenticate': (_, reply) => {
        // The second login goes on when the transaction has failed meanwhile.
        if (++logins === 2) made[0]()
        else reply(null, { token: `${logins}` })
      },
      'KV/Txn': (_, reply) => {
        const lost = { code: status.UNAVAILABLE, details: 'etcdserver: request timed out' }
        made.push(() => reply(lost))
        noteMade()
      },
      'KV/Range': (_, reply) =>
        reply({ code: status.UNAUTHENTICATED, details: 'etcdserver: invalid auth token' }),
    },
    'someone',
  )
  const attempt = etcd.txn(TXN).catch((error: Error) => error.message)
  await isMade
  void etcd.rangeOnce({ key: KEY }).catch(() => {})
  expect(await attempt).toBe('etcdserver: request timed out')
  expect(made).toHaveLength(1)
})

test('requests share one login, and none has been made when it fails', async () => {
  let logins = 0
  const etcd = await clientOf(
    {
      'Auth/Authenticate': (_, reply) => {
        logins++
        reply({ code: status.UNAVAILABLE, details: 'etcdserver: request timed out' })
      },
    },
    'someone',
  )
  const attempts = await Promise.allSettled([etcd.txn(TXN), etcd.txn(TXN), etcd.txn(TXN)])
  expect(logins).toBe(1)
  for (const attempt of attempts) {
    expect(attempt).toMatchObject({ reason: { isOfMember: true, refused: true } })
  }
})
