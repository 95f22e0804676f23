// crc-32 ships types only for its CRC-32; this declares the part of its CRC-32C that ktree uses.
declare module 'crc-32/crc32c.js' {
  const CRC32C: {
    /** The checksum as a signed 32-bit integer; `seed` is the checksum of the bytes before. */
    buf(data: Uint8Array, seed?: number): number
  }

  export = CRC32C
}
