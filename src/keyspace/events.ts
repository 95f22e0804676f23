/** The classes of keyspace notifications, by Redis's letters. */
export type EventClass = 'g' | '$' | 'x' | 'e' | 'n' | 'm'

/** The events of keyspace notifications, by Redis's names, and the class of each. */
export const keyspaceEvents = {
  set: '$',
  setrange: '$',
  incrby: '$',
  incrbyfloat: '$',
  append: '$',
  del: 'g',
  expire: 'g',
  persist: 'g',
  rename_from: 'g',
  rename_to: 'g',
  copy_to: 'g',
  restore: 'g',
  // A new directory is the only event that Redis has no name for.
  mkdir: 'g',
  expired: 'x',
  new: 'n',
  keymiss: 'm',
} as const satisfies Readonly<Record<string, EventClass>>

export type KeyspaceEvent = keyof typeof keyspaceEvents
