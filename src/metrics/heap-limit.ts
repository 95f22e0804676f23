import { getHeapStatistics } from 'node:v8'

const MB = 1024 ** 2
/** How many semi-spaces V8 counts in its limit besides the space for old objects. */
const SEMI_SPACES = 3

/**
 * How many bytes old objects may take before V8 ends the process. V8 tells only the sum of this and of
 * the semi-spaces for new objects, whose size differs between versions of V8.
 */
export function oldSpaceLimit(): number {
  const set = optionInMB('max-old-space-size')
  if (set !== undefined && set > 0) return set * MB
  const { heap_size_limit: limit } = getHeapStatistics()
  const semiSpace = optionInMB('max-semi-space-size') ?? defaultSemiSpaceInMB()
  return Math.max(limit - SEMI_SPACES * semiSpace * MB, limit / 4)
}

/** Those of Node.js 20 and 22, 24, 26, and the largest for a version that is not known. */
function defaultSemiSpaceInMB(): number {
  const major = Number.parseInt(process.versions.v8, 10)
  if (major < 13) return 16
  return major === 14 ? 32 : 64
}

/** A number given to V8 on the command line or in NODE_OPTIONS. The command line wins, the last one of each. */
function optionInMB(name: string): number | undefined {
  const given = [...(process.env.NODE_OPTIONS ?? '').split(/\s+/), ...process.execArgv]
  // V8 takes dashes and underscores for the same.
  const option = new RegExp(`^--${name.replaceAll('-', '[-_]')}=(\\d+)$`)
  const last = given.map((word) => option.exec(word)).findLast((match) => match !== null)
  return last == null ? undefined : Number(last[1])
}
