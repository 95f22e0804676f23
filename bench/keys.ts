/** The word that redis-benchmark replaces by a random number of as many digits. */
export const RANDOM = '__rand_int__'

/** A path with a number of levels, whose last component is `name`. */
export const pathOf = (levels: number, name: string): string =>
  `${Array.from({ length: levels - 1 }, (_, i) => `/level${i + 1}`).join('')}/${name}`

/** A number as redis-benchmark writes it instead of `RANDOM`. */
export const digits = (n: number): string => `${n}`.padStart(12, '0')

/** A random number below `keyspace`, as redis-benchmark writes it instead of `RANDOM`. */
export const randomDigits = (keyspace: number): string =>
  digits(Math.floor(Math.random() * keyspace))

/** A value with a number of bytes. */
export const valueOfSize = (bytes: number): string => 'x'.repeat(bytes)

/** A number of bytes with its unit: `16 B`, `1 KB`. */
export const sizeName = (bytes: number): string =>
  bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KB`
