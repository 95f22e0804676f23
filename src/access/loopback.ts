/**
 * Whether an address is a loopback address, which `protected-mode` lets in.
 *
 * @param address an address of `net.Socket`: IPv4, IPv6, or IPv4 within IPv6
 */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.')
}
