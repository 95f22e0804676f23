import { type Child, makeDirectory, removeDirectory, sleep, startChild } from '../children.ts'
import { freePort } from '../free-port.ts'
import { open } from '../load-client.ts'
import { listensOn } from './listening.ts'

/** A running server that may end at any time. */
export interface Target {
  readonly port: number
  /** Its working directory, which goes with it; ktree's data is in `data`. */
  readonly directory: string
  readonly child: Child
  /** Its exit code once it has ended, null after a signal; undefined before. */
  readonly ended: () => number | null | undefined
  stop(): Promise<void>
}

export interface Launch {
  /** The command line, as a shell takes it; `$PORT` and `$DIR` stand for what is given to it. */
  readonly command: string
  /** Where it works, if not in an empty directory that is removed again. */
  readonly directory?: string
  /** Returns before it answers. */
  readonly unready?: boolean
  readonly timeoutMs?: number
}

const START_TIMEOUT_MS = 30_000

/** Sends PING. @returns the first line of the answer, undefined if there is none in time */
export async function ask(port: number, timeoutMs: number): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs)
  })
  const asking = open(port)
  const answer = asking.then(
    (socket) =>
      new Promise<string | undefined>((resolve) => {
        socket.once('data', (chunk) => resolve(chunk.toString('latin1').split('\r\n', 1)[0]))
        socket.once('close', () => resolve(undefined))
        socket.write('PING\r\n')
      }),
    () => undefined,
  )
  const line = await Promise.race([answer, timeout])
  clearTimeout(timer)
  asking.then(
    (socket) => socket.destroy(),
    () => {},
  )
  return line
}

/** Starts a server through a shell, whose place it takes. */
export async function launch(options: Launch): Promise<Target> {
  const { command, unready, timeoutMs = START_TIMEOUT_MS } = options
  const directory = options.directory ?? makeDirectory()
  const port = await freePort()
  const script = `PORT=${port} DIR='${directory}'\n${command}`
  const child = startChild('/bin/sh', ['-c', script], { cwd: directory })
  let code: number | null | undefined
  child.exited.then(
    (exitCode) => {
      code = exitCode
    },
    () => {
      code = null
    },
  )
  const target: Target = {
    port,
    directory,
    child,
    ended: () => code,
    async stop() {
      await child.end()
      if (options.directory === undefined) removeDirectory(directory)
    },
  }
  if (unready) return target
  const begun = performance.now()
  for (;;) {
    const answers = (await ask(port, 1000)) !== undefined
    if (answers && listensOn(child.pid, port) !== false) break
    if (code !== undefined || performance.now() - begun > timeoutMs) {
      await target.stop()
      const { out, err } = child.output
      const why = answers ? 'another program has taken its port' : 'it did not start'
      throw new Error(`${why}: ${`${out}${err}`.trim().slice(-300)}`)
    }
    await sleep(2)
  }
  return target
}

/** ktree as it is built, as it comes: what is given follows its defaults. */
export const ktreeCommand = (more = ''): string =>
  `exec '${process.execPath}' '${process.cwd()}/dist/main.js' --port $PORT --bind 127.0.0.1 --dir "$DIR/data" ${more}`

/** redis-server with the same promise of durability. */
export const redisCommand = (more = ''): string =>
  `exec redis-server --port $PORT --bind 127.0.0.1 --dir "$DIR" --save '' --appendonly yes --appendfsync everysec --auto-aof-rewrite-percentage 0 ${more}`
