/** Redis's ACL categories, in its order, those without a command here included; then ktree's own. */
export const CATEGORIES = [
  'keyspace',
  'read',
  'write',
  'set',
  'sortedset',
  'list',
  'hash',
  'string',
  'bitmap',
  'hyperloglog',
  'geo',
  'stream',
  'pubsub',
  'admin',
  'fast',
  'slow',
  'blocking',
  'dangerous',
  'connection',
  'transaction',
  'scripting',
  'tree',
] as const

export type Category = (typeof CATEGORIES)[number]

/** The category with this name, in upper or lower case; undefined if there is none. */
export function findCategory(name: string): Category | undefined {
  const lower = name.toLowerCase()
  return CATEGORIES.find((category) => category === lower)
}
