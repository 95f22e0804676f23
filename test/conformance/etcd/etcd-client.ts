import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'

/** A node as etcd's v2 API shows it. Fields that are empty or 0 are absent. */
export interface EtcdNode {
  key?: string
  dir?: boolean
  value?: string
  expiration?: string
  ttl?: number
  nodes?: EtcdNode[]
  modifiedIndex?: number
  createdIndex?: number
}

export interface EtcdEvent {
  action: string
  node: EtcdNode
  prevNode?: EtcdNode
}

export interface EtcdError {
  errorCode: number
  message: string
  cause?: string
  index: number
}

export interface EtcdReply {
  /** The store's index, from `X-Etcd-Index`. */
  index: number
  body: EtcdEvent | EtcdError
}

export interface EtcdRequest {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** The path as text, which is not cleaned: empty components and dots are sent as they are. */
  path: string
  /** Sent in the body of a PUT or POST, otherwise in the query. */
  params?: Record<string, string>
}

/** A watch that etcd has registered. */
export interface EtcdWatch {
  /** The store's index when the watch began. */
  index: number
  /** The event; never settles if none comes. */
  event: Promise<EtcdEvent | EtcdError>
  /** Ends the watch, whether an event has come or not. */
  close(): void
}

/** The events of a stream watch. */
export class EtcdStream {
  readonly events: EtcdEvent[] = []
  readonly #response: IncomingMessage
  #onEvent = (): void => {}

  constructor(response: IncomingMessage) {
    this.#response = response
    let partial = ''
    response.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (partial + chunk).split('\n')
      partial = lines.pop() ?? ''
      for (const line of lines) if (line !== '') this.events.push(JSON.parse(line) as EtcdEvent)
      this.#onEvent()
    })
  }

  /** Waits until `count` events have come. */
  async until(count: number): Promise<EtcdEvent[]> {
    while (this.events.length < count) {
      await new Promise<void>((resolve) => {
        this.#onEvent = resolve
      })
    }
    return this.events
  }

  close(): void {
    this.#response.destroy()
  }
}

export function isError(body: EtcdEvent | EtcdError): body is EtcdError {
  return 'errorCode' in body
}

/** A client of etcd's v2 keys API, over persistent connections. */
export class EtcdClient {
  readonly url: string
  readonly #agent = new Agent({ keepAlive: true })

  constructor(url: string) {
    this.url = url
  }

  async send({ method, path, params = {} }: EtcdRequest): Promise<EtcdReply> {
    const form = new URLSearchParams(params).toString()
    const inBody = method === 'PUT' || method === 'POST'
    const query = inBody || form === '' ? '' : `?${form}`
    const response = await this.#follow(method, keyUrl(path) + query, inBody ? form : undefined)
    const body = JSON.parse(await text(response)) as EtcdEvent | EtcdError
    return { index: Number(response.headers['x-etcd-index'] ?? Number.NaN), body }
  }

  /** Watches for one event. @param since the first index to watch; absent means from now on */
  async watch(path: string, recursive: boolean, since: number | undefined): Promise<EtcdWatch> {
    const query = new URLSearchParams({ wait: 'true', recursive: String(recursive) })
    if (since !== undefined) query.set('waitIndex', String(since))
    // etcd sends the headers as soon as the watcher is in place.
    const response = await this.#follow('GET', `${keyUrl(path)}?${query}`, undefined)
    const event = text(response).then((json) => JSON.parse(json) as EtcdEvent | EtcdError)
    event.catch(() => {})
    return {
      index: Number(response.headers['x-etcd-index']),
      event,
      close: () => void response.destroy(),
    }
  }

  /** The counters of `/v2/stats/store`. */
  async stats(): Promise<Record<string, number>> {
    const response = await this.#request('GET', '/v2/stats/store', undefined)
    return JSON.parse(await text(response)) as Record<string, number>
  }

  /** Watches until closed. */
  async stream(path: string, since?: number): Promise<EtcdStream> {
    const query = new URLSearchParams({ wait: 'true', stream: 'true' })
    if (since !== undefined) query.set('waitIndex', String(since))
    const response = await this.#follow('GET', `${keyUrl(path)}?${query}`, undefined)
    return new EtcdStream(response)
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Follows redirects, because Go's router redirects unclean paths to clean ones. */
  async #follow(method: string, path: string, body: string | undefined): Promise<IncomingMessage> {
    const response = await this.#request(method, path, body)
    const { location } = response.headers
    if (response.statusCode !== 301 || location === undefined) return response
    response.resume()
    return this.#follow(method, location, body)
  }

  #request(method: string, path: string, body: string | undefined): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(this.url)
      const headers =
        body === undefined
          ? {}
          : {
              'content-type': 'application/x-www-form-urlencoded',
              'content-length': Buffer.byteLength(body),
            }
      const options = { agent: this.#agent, hostname, port, method, path, headers }
      const sent: ClientRequest = request(options, resolve)
      sent.once('error', reject)
      sent.end(body)
    })
  }
}

function keyUrl(path: string): string {
  return `/v2/keys${path.split('/').map(encodeURIComponent).join('/')}`
}
