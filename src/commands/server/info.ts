// INFO

import type { ServerContext } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { type InfoSection, infoSections } from './info-sections.ts'

/** No section has a longer name; V8 finds very long ones slowly in a Set. */
const MAX_SECTION_LENGTH = 32
/** Both mean all sections. In Redis, `everything` adds what modules add; here there are none. */
const ALL_SECTIONS = ['all', 'everything']

/**
 * The text of INFO.
 *
 * @param names of sections, in any case; none means the default ones. Unknown names are ignored.
 * @returns a binary string
 */
function infoText(server: ServerContext, names: readonly string[]): string {
  const known = names.filter(({ length }) => length <= MAX_SECTION_LENGTH)
  const wanted = new Set(names.length === 0 ? ['default'] : known.map((name) => name.toLowerCase()))
  const all = ALL_SECTIONS.some((name) => wanted.has(name))
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

/** The server's state. */
export const infoCommands: readonly Command[] = [
  {
    name: 'info',
    summary: "Returns the server's state and counters, in sections.",
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of clients and of subscribed channels',
    arity: -1,
    flags: ['loading', 'stale'],
    broad: true,
    categories: ['dangerous'],
    args: [{ name: 'section', type: 'string', optional: true, multiple: true }],
    run(client, args) {
      client.reply.verbatim('txt', infoText(client.server, args.slice(1)))
    },
  },
]
