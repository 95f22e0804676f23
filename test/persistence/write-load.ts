import { ErrorReply, type RawClient, type Reply } from '../server/raw-client.ts'
import type { SeededRandom } from './seeded-random.ts'
import { eventOfMessage, eventOfReply, type TreeEvent } from './tree-model.ts'

/** How many requests each connection has in flight. */
const DEPTH = 24

type Request = readonly (string | number)[]

/** The events that clients have heard of, by a reply or as watchers. */
export class WriteLog {
  readonly events = new Map<number, TreeEvent>()
  #highest = 0
  readonly errors = new Set<string>()

  add(event: TreeEvent): void {
    if (this.events.has(event.index)) return
    this.events.set(event.index, event)
    this.#highest = Math.max(this.#highest, event.index)
  }

  /** Forgets the events after an index. */
  forgetAfter(index: number): void {
    for (const heard of this.events.keys()) {
      if (heard > index) this.events.delete(heard)
    }
    this.#highest = Math.min(this.#highest, index)
  }

  /** The highest index that a client has heard of; 0 if there is none. */
  get highest(): number {
    return this.#highest
  }
}

/**
 * Lets a client write without pause until its connection ends, and logs the events in its replies.
 *
 * @param nextRequest returns undefined when there are no more
 * @param pause between two bursts, in milliseconds
 */
export async function keepWriting(
  client: RawClient,
  nextRequest: () => Request | undefined,
  log: WriteLog,
  pause = 0,
): Promise<void> {
  const underWay: Request[] = []
  let more = true
  while (more || underWay.length > 0) {
    while (more && underWay.length < DEPTH) {
      const request = nextRequest()
      if (request === undefined) more = false
      else {
        underWay.push(request)
        client.send(...request)
      }
    }
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
    while (underWay.length > DEPTH / 2 || (!more && underWay.length > 0)) {
      const reply = await nextOrEnd(client)
      if (reply === undefined) return
      const request = underWay.shift() as Request
      if (reply instanceof ErrorReply) log.errors.add(reply.text.slice(0, reply.text.indexOf(' ')))
      else log.add(eventOfReply(reply, request.at(-1) === 'REFRESH'))
    }
  }
}

/** Lets a client watch the whole tree until its connection ends, and logs the events. */
export async function keepWatching(client: RawClient, log: WriteLog): Promise<void> {
  client.send('SUBSCRIBE', '/?recursive=true')
  await nextOrEnd(client)
  for (;;) {
    const message = await nextOrEnd(client)
    if (message === undefined) return
    log.add(eventOfMessage(String((message as Reply[])[2])))
  }
}

/** The next reply; undefined if the connection ends first. */
async function nextOrEnd(client: RawClient): Promise<Reply | undefined> {
  try {
    return await client.next()
  } catch (error) {
    if (client.ended) return undefined
    throw error
  }
}

const NAMES = ['a', 'b', 'c', 'd', 'e', '_h', 'na\xc3\xafve', '\xff\x00']
const VALUES = ['', 'one', 'two', 'na\xc3\xafve', '\x00\xff\r\n', 'x'.repeat(3000)]
const MEGABYTE = 1024 * 1024

/** A path of one to three components. There are few, so that writes often meet. */
function randomPath(random: SeededRandom): string {
  let path = ''
  for (let depth = random.between(1, 3); depth > 0; depth--) path += `/${random.oneOf(NAMES)}`
  return random.next() < 0.5 ? path : `${path}/f${random.between(0, 20)}`
}

/** A write of any kind. Some writes fail. */
export function randomWrite(random: SeededRandom): Request {
  const path = randomPath(random)
  const value = random.oneOf(VALUES)
  switch (random.between(0, 19)) {
    case 0:
      return ['KCREATE', '/jobs', value, 'UNIQUE']
    case 1:
      return ['KCREATE', '/jobs/soon', value, 'UNIQUE', 'PX', random.between(1, 400)]
    case 2:
      return ['KDEL', path]
    case 3:
      return ['KDEL', path, 'RECURSIVE']
    case 4:
      return ['KDEL', '/jobs', 'RECURSIVE']
    case 5:
      return ['KCAS', path, value, 'PREVVALUE', random.oneOf(VALUES)]
    case 6:
      return ['KCAD', path, 'PREVVALUE', random.oneOf(VALUES)]
    case 7:
      return ['KMKDIR', path]
    case 8:
      return ['KMKDIR', path, 'REPLACE', 'PX', random.between(1, 2000)]
    case 9:
      return ['KUPDATE', path, value, 'EX', 1000]
    case 10:
      return ['KSET', path, '', 'PX', random.between(1, 3000), 'REFRESH']
    case 11:
      return ['KSET', path, value, 'PX', random.between(1, 500)]
    case 12:
      return ['KSET', path, value, 'PXAT', Date.now() + random.between(100, 10_000_000)]
    case 13:
    case 14:
      // A key that is written all the time.
      return ['KSET', '/hot', value]
    default:
      return ['KSET', path, value]
  }
}

/** A write with a value of one megabyte. */
export function largeWrite(random: SeededRandom): Request {
  return ['KSET', `/large/${random.between(0, 3)}`, random.oneOf(['x', '\xfe']).repeat(MEGABYTE)]
}

/** Fills a directory with some thousand nodes, then removes it with one command. */
export function* wideDirectory(random: SeededRandom): Generator<Request, undefined> {
  const nodes = random.between(1000, 3000)
  for (let i = 0; i < nodes; i++) yield ['KSET', `/wide/${i % 50}/${i}`, 'x']
  yield ['KDEL', '/wide', 'RECURSIVE']
}
