import { CompiledGlob } from './glob-compiled.ts'

/** Compiled globs may take this much memory together, in bytes. */
const MAX_BYTES = 16 * 1024 * 1024

/** What one takes besides, in bytes, about: its pattern may have been cut from a longer text. */
const ENTRY_BYTES = 4096

/** By pattern, the one that was used last at the end. */
const globs = new Map<string, CompiledGlob>()
let bytes = 0

/**
 * A glob that is compiled. It is kept for the next text, because subscriptions and users match many; but not
 * for ever, because a pattern of a client must not cost more memory than it has sent.
 */
export function compiledGlob(pattern: string): CompiledGlob {
  const known = globs.get(pattern)
  if (known !== undefined) {
    globs.delete(pattern)
    globs.set(pattern, known)
    return known
  }
  const glob = new CompiledGlob(pattern)
  globs.set(pattern, glob)
  bytes += glob.weight + ENTRY_BYTES
  for (const [oldest, { weight }] of globs) {
    if (bytes <= MAX_BYTES) break
    globs.delete(oldest)
    bytes -= weight + ENTRY_BYTES
  }
  return glob
}
