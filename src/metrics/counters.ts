import type { ServerStats } from '../request/client.ts'

/** Counts an error reply, under its first word: its code. */
export function countError(stats: ServerStats, reply: string): void {
  stats.errorReplies++
  const code = reply.split(' ', 1)[0]
  stats.errorCodes.set(code, (stats.errorCodes.get(code) ?? 0) + 1)
}
