/** What redis-benchmark puts a number in place of, with so many digits. */
export const RANDOM = '__rand_int__'

/** A path so many levels deep, whose last component is a name. */
export const pathOf = (levels: number, name: string): string =>
  `${Array.from({ length: levels - 1 }, (_, i) => `/level${i + 1}`).join('')}/${name}`

/** A number as redis-benchmark writes it in place of `RANDOM`. */
export const digits = (n: number): string => `${n}`.padStart(12, '0')

/** A number below `keyspace`, as redis-benchmark writes it in place of `RANDOM`. */
export const randomDigits = (keyspace: number): string =>
  digits(Math.floor(Math.random() * keyspace))

/** A value of so many bytes. */
export const valueOfSize = (bytes: number): string => 'x'.repeat(bytes)

/** As people write it. */
export const sizeName = (bytes: number): string =>
  bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KB`
