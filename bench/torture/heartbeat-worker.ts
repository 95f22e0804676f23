import { connect, type Socket } from 'node:net'
import { parentPort } from 'node:worker_threads'
import { processorTime } from '../process-usage.ts'

// A thread that pings all the time, so that what the attack costs its own client is not counted.

/** Between a PONG and the next PING. */
const PAUSE_MS = 1

if (parentPort === null) throw new Error('this is to be started as a worker')
const port = parentPort

let socket: Socket | undefined
let pid = 0
let sentAt = 0
let longest = 0
/** The server's processor time as a PING is sent, in seconds. */
let before = 0
let held = 0

/** What the server has worked since the last PING, in milliseconds; 0 once it has ended. */
const worked = (): number => (processorTime(pid) - before) * 1000 || 0

function open(serverPort: number): void {
  const opened = connect({ port: serverPort, host: '127.0.0.1', noDelay: true })
  socket = opened
  const ping = (): void => {
    if (socket !== opened) return
    before = processorTime(pid)
    sentAt = performance.now()
    opened.write('PING\r\n')
  }
  opened.once('connect', () => {
    port.postMessage('connected')
    ping()
  })
  opened.on('data', () => {
    // A second packet of the same reply does not count.
    if (sentAt === 0) return
    longest = Math.max(longest, performance.now() - sentAt)
    held = Math.max(held, worked())
    sentAt = 0
    setTimeout(ping, PAUSE_MS)
  })
  opened.on('error', () => {})
  opened.on('close', () => {
    // CLIENT KILL may have been meant for us. Where nobody listens any more, the other thread notices.
    if (socket === opened) setTimeout(() => socket === opened && open(serverPort), 10)
  })
}

port.on('message', (message: { port: number; pid: number } | 'begin' | 'stop') => {
  if (message === 'begin') {
    longest = 0
    held = 0
    before = processorTime(pid)
  } else if (message === 'stop') {
    const waiting = sentAt === 0 ? 0 : performance.now() - sentAt
    const working = sentAt === 0 ? 0 : worked()
    socket?.destroy()
    socket = undefined
    port.postMessage({ wait: Math.max(longest, waiting), held: Math.max(held, working) })
  } else {
    longest = 0
    held = 0
    sentAt = 0
    pid = message.pid
    open(message.port)
  }
})
