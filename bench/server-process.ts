import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync } from 'node:fs'

/** A server in its own process. */
export class ServerProcess {
  readonly port: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  /** @param execArgv options for node, such as `--cpu-prof` */
  static async start(execArgv: readonly string[] = []): Promise<ServerProcess> {
    // The compiled server reads its version from a package.json two folders up.
    copyFileSync('package.json', new URL('../package.json', import.meta.url))
    const child = fork(new URL('./serve.js', import.meta.url), {
      execArgv: [...execArgv],
    })
    const [message] = (await once(child, 'message')) as [{ port: number }]
    return new ServerProcess(child, message.port)
  }

  async memory(): Promise<NodeJS.MemoryUsage> {
    this.#child.send('memory')
    const [message] = (await once(this.#child, 'message')) as [{ memory: NodeJS.MemoryUsage }]
    return message.memory
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }
}
