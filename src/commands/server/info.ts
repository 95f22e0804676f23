// INFO

import type { ServerContext } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { type InfoSection, infoSections } from './info-sections.ts'

/** Redis has more in `everything` than in `all`: what modules add, and there are none. */
const ALL = ['all', 'everything']

/**
 * The text of INFO.
 *
 * @param names of sections, in any case; none: the usual ones. Unknown ones are passed over
 * @returns a binary string
 */
export function infoText(server: ServerContext, names: readonly string[]): string {
  const wanted = new Set(names.length === 0 ? ['default'] : names.map((name) => name.toLowerCase()))
  const all = ALL.some((name) => wanted.has(name))
  const isWanted = ({ name, onRequest }: InfoSection): boolean =>
    all || wanted.has(name) || (wanted.has('default') && onRequest !== true)
  return infoSections
    .filter(isWanted)
    .map((section) => sectionText(section, server))
    .join('\r\n')
}

function sectionText({ title, fields }: InfoSection, server: ServerContext): string {
  const lines = fields(server).map(([name, value]) => `${name}:${value}\r\n`)
  return `# ${title}\r\n${lines.join('')}`
}

/** INFO. */
export const infoCommands: readonly Command[] = [
  {
    name: 'info',
    summary: "Tells of the server's state and counts, in sections.",
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of clients and of subscribed channels',
    arity: -1,
    flags: ['loading', 'stale'],
    categories: ['dangerous'],
    args: [{ name: 'section', type: 'string', optional: true, multiple: true }],
    run(client, args) {
      client.reply.verbatim('txt', infoText(client.server, args.slice(1)))
    },
  },
]
