import { Redis } from 'ioredis'
import { type RunningServer, type StartOptions, startServer } from '../../src/server/start.ts'
import { type Members, startMembers } from './members.ts'

export interface GroupOptions {
  readonly nodes?: number
  readonly members?: 1 | 3
  readonly directives?: StartOptions['directives']
  /** Where in etcd; a new place unless given. */
  readonly prefix?: string
  /** Serves instead of members that the group starts itself. */
  readonly on?: Members
}

let groups = 0

/** Nodes in this process over members of etcd in processes of their own. */
export class Group {
  readonly members: Members
  readonly prefix: string
  readonly nodes: RunningServer[] = []
  readonly #ownsMembers: boolean
  readonly #directives: StartOptions['directives']
  readonly #clients: Redis[] = []

  constructor(members: Members, { on, prefix, directives = {} }: GroupOptions) {
    this.members = members
    this.#ownsMembers = on === undefined
    this.prefix = prefix ?? `/group${groups++}/`
    this.#directives = directives
  }

  async add(options: StartOptions = {}): Promise<RunningServer> {
    const directives = {
      'etcd-endpoints': this.members.urls.join(' ').split(' '),
      'etcd-prefix': this.prefix,
      ...this.#directives,
      ...options.directives,
    }
    const node = await startServer({ ...options, directives })
    this.nodes.push(node)
    return node
  }

  /** A client of a node. */
  client(node: RunningServer | number): Redis {
    const { port } = typeof node === 'number' ? this.nodes[node] : node
    const client = new Redis({ port: port ?? 0, host: '127.0.0.1', retryStrategy: () => null })
    client.on('error', () => {})
    this.#clients.push(client)
    return client
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.disconnect()
    await Promise.all(this.nodes.map((node) => node.close()))
    if (this.#ownsMembers) await this.members.stop()
  }
}

/** Three nodes over three members, unless asked for otherwise. */
export async function startGroup(options: GroupOptions = {}): Promise<Group> {
  const members = options.on ?? (await startMembers(options.members ?? 3))
  const group = new Group(members, options)
  try {
    for (let i = 0; i < (options.nodes ?? 3); i++) await group.add()
  } catch (error) {
    await group.stop()
    throw error
  }
  return group
}
