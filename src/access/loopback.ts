/**
 * Whether an address is of this very machine, and so passes `protected-mode`.
 *
 * @param address as `net.Socket` gives it: IPv4, IPv6, or IPv4 within IPv6
 */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.')
}
