/** An address as CLIENT LIST shows it: `127.0.0.1:50122`, `[::1]:50122`. */
export function hostPort(host = '?', port = 0): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
