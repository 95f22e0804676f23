import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts } from '../../conformance/peers.ts'
import { type Members, startMembers } from '../members.ts'
import { Link } from './link.ts'

/** How far the clocks of the nodes are ahead. */
const CLOCKS_AHEAD_MS = [0, 3000, -2000]

/** A node in a process of its own, which reaches each member of etcd through a link. */
export class ProcessNode {
  readonly port: number
  readonly links: readonly Link[]
  readonly #main: string
  readonly #ahead: number
  readonly #directory: string
  readonly #args: readonly string[]
  #child: ChildProcess | undefined
  /** What it has logged. */
  out = ''

  /** @param ahead how far its clock is ahead of the machine's, in milliseconds */
  constructor(
    main: string,
    port: number,
    links: readonly Link[],
    args: readonly string[],
    ahead: number,
  ) {
    this.#main = main
    this.#ahead = ahead
    this.port = port
    this.links = links
    this.#directory = mkdtempSync(join(tmpdir(), 'ktree-node-'))
    const urls = links.map((link) => `http://127.0.0.1:${link.port}`)
    this.#args = ['--port', String(port), '--etcd-endpoints', ...urls, ...args]
  }

  /** Starts it, or starts it again. */
  start(): void {
    const clock = `data:text/javascript,const now=Date.now;Date.now=()=>now()+${this.#ahead}`
    const args = ['--import', clock, this.#main, ...this.#args]
    const child = spawn(process.execPath, args, { cwd: this.#directory })
    const keep = (chunk: Buffer): void => {
      this.out = (this.out + chunk.toString()).slice(-20_000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    this.#child = child
  }

  /** Resolves when it serves. @throws Error if it ends before */
  async ready(): Promise<void> {
    while (!(await this.#answers()) || this.#hasEnded) {
      if (this.#hasEnded) throw new Error(`the node has ended:\n${this.out}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  /** SIGKILL. */
  kill(): Promise<void> {
    return this.#signal('SIGKILL')
  }

  /** SIGTERM: it keeps a copy of its tree. */
  leave(): Promise<void> {
    return this.#signal('SIGTERM')
  }

  async #signal(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined || this.#hasEnded) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }

  /** The most memory that it has had so far, in MB; NaN where the system does not tell. */
  get peak(): number {
    try {
      const status = readFileSync(`/proc/${this.#child?.pid}/status`, 'utf8')
      return Number(/VmHWM:\s*(\d+)/.exec(status)?.[1]) / 1024
    } catch {
      return Number.NaN
    }
  }

  /** Goes on where it was stopped, killed, or cut off. */
  async mend(): Promise<void> {
    for (const link of this.links) link.mend()
    this.resume()
    if (this.#hasEnded) this.start()
    await this.ready()
  }

  get #hasEnded(): boolean {
    return (
      this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null
    )
  }

  async end(): Promise<void> {
    await this.kill()
    await Promise.all(this.links.map((link) => link.close()))
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1', () => socket.write('PING\r\n'))
      socket.once('data', () => {
        resolve(true)
        socket.destroy()
      })
      socket.once('error', () => resolve(false))
    })
  }
}

export interface ProcessGroup {
  readonly members: Members
  readonly nodes: readonly ProcessNode[]
  /** Starts one more node; it may not serve yet. */
  add(args?: readonly string[]): Promise<ProcessNode>
  /** Ends all trouble. */
  mend(): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts three nodes over three members, all in processes of their own.
 *
 * @param main dist/main.js
 * @param args of the nodes
 * @param memberArgs of the members
 */
export async function startProcessGroup(
  main: string,
  args: readonly string[] = [],
  memberArgs: readonly string[] = [],
): Promise<ProcessGroup> {
  const members = await startMembers(3, memberArgs)
  const nodes: ProcessNode[] = []
  const add = async (more: readonly string[] = []): Promise<ProcessNode> => {
    const [port] = await freePorts(1)
    const targets = members.urls.map((url) => Number(new URL(url).port))
    const links = await Promise.all(targets.map((target) => Link.to(target)))
    const ahead = CLOCKS_AHEAD_MS[nodes.length % CLOCKS_AHEAD_MS.length]
    const node = new ProcessNode(main, port, links, [...args, ...more], ahead)
    nodes.push(node)
    node.start()
    return node
  }
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.end()))
    await members.stop()
  }
  try {
    for (let i = 0; i < 3; i++) await add()
    await Promise.all(nodes.map((node) => node.ready()))
  } catch (error) {
    await stop()
    throw error
  }
  const mend = async (): Promise<void> => {
    for (const member of members.members) member.mend()
    await Promise.all(members.members.map((member) => member.ready()))
    for (const node of nodes) await node.mend()
  }
  return { members, nodes, add, mend, stop }
}
