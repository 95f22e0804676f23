import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CommandCatalogue } from '../../../src/access/command-catalogue.ts'
import { describeCommands } from '../../../src/access/describe-commands.ts'
import { Users, UsersError } from '../../../src/access/users.ts'
import { commandTable } from '../../../src/commands/table.ts'
import { describeWithPeer } from '../peers.ts'
import { catalogueOfRedis } from './acl-catalogue.ts'
import { userRules } from './acl-rules.ts'
import { encode, type Pair, parseReplies, pipeline, startPair, Talk, type Value } from './pair.ts'

/** How many users are made altogether. */
const RUNS = Math.ceil(Number(process.env.KTREE_CONFORMANCE_OPS ?? 6000) / 10)
const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }

/** What Redis's own table makes of a rule is compared with ours, made of the same table. */
class Twin {
  readonly users: Users

  constructor(catalogue: CommandCatalogue) {
    this.users = new Users(catalogue, () => false)
  }

  set(rules: readonly string[]): string {
    try {
      this.users.set('u', rules)
      return 'OK'
    } catch (error) {
      if (!(error instanceof UsersError)) throw error
      return `Error: ERR ${error.message.replace(/[\r\n]/g, ' ')}`
    }
  }

  get(): unknown {
    const user = this.users.get('u')
    if (user === undefined) return null
    const [root, ...others] = user.selectors.map((selector) => [
      ...['commands', describeCommands(selector)],
      ...['keys', selector.describeKeys().join(' ')],
      ...['channels', selector.describeChannels().join(' ')],
    ])
    const flags = user.describeFlags()
    return ['flags', flags, 'passwords', user.passwords, ...root, 'selectors', others]
  }
}

describeWithPeer('redis-server', 'rules of users, compared with Redis', () => {
  let pair: Pair
  let catalogue: CommandCatalogue
  let common: string[]

  beforeAll(async () => {
    pair = await startPair()
    catalogue = new CommandCatalogue(await catalogueOfRedis(pair.redis))
    const ours = commandTable.flatMap(({ name, subcommands = [] }) => [
      name,
      ...subcommands.map((each) => `${name}|${each.name}`),
    ])
    common = ours.filter((name) => catalogue.find(name) !== undefined)
  })
  afterAll(() => pair?.stop())

  test("with Redis's own command table, byte for byte", async () => {
    const names = catalogue.all.map(({ fullName }) => fullName)
    const talk = await Talk.open(pair.redis)
    const ask = async (...args: string[]): Promise<Value> => {
      const reply = await talk.ask(encode(...args) + pipeline('PING END'), '$3\r\nEND\r\n')
      return parseReplies(reply)[0]
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(userRules(names, true), { minLength: 1, maxLength: 4 }),
        async (steps) => {
          await ask('ACL', 'DELUSER', 'u')
          const twin = new Twin(catalogue)
          for (const rules of steps) {
            expect(twin.set(rules)).toBe(await ask('ACL', 'SETUSER', 'u', ...rules))
            expect(twin.get()).toEqual(await ask('ACL', 'GETUSER', 'u'))
            const lines = (await ask('ACL', 'LIST')) as string[]
            expect(twin.users.describe()).toEqual(lines)
          }
        },
      ),
      { numRuns: RUNS },
    )
    await ask('ACL', 'DELUSER', 'u')
    talk.close()
  })

  /** Which commands are told one by one, and in which order, depends on the table: see above. */
  const withoutCommands = (output: string): string =>
    output
      .replace(/\$8\r\ncommands\r\n\$\d+\r\n[^\r]*\r\n/g, 'COMMANDS\r\n')
      .replace(/\$\d+\r\n(user [^\r]*)\r\n/g, (_, line: string) =>
        line.replace(/[-+]@all( [-+][^ )]+)*/g, 'COMMANDS'),
      )

  /** A parenthesis that ends no selector would be taken for the end of one in a line of ACL LIST. */
  const isClosed = (rules: readonly string[]): boolean =>
    !rules
      .join(' ')
      .replace(/\([^)]*\)/g, '')
      .includes(')')

  test.for(Object.entries(PREFIXES))(
    '%s: ACL SETUSER, GETUSER, LIST and USERS of commands that both have',
    async ([, prefix]) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(userRules(common, true).filter(isClosed), { minLength: 1, maxLength: 5 }),
          fc.array(fc.constantFrom('u', 'v', 'default2', 'a b', ''), {
            minLength: 5,
            maxLength: 5,
          }),
          async (steps, names) => {
            const input = steps.map(
              (rules, i) =>
                encode('ACL', 'SETUSER', names[i], ...rules) +
                encode('ACL', 'GETUSER', names[i]) +
                pipeline('ACL LIST', 'ACL USERS'),
            )
            const clear = pipeline('ACL DELUSER u v default2') + encode('ACL', 'DELUSER', '')
            const { redis, ktree } = await pair.ask(clear + prefix + input.join(''))
            expect(withoutCommands(ktree).replace(/(\$2\r\nid\r\n):\d+/, '')).toBe(
              withoutCommands(redis).replace(/(\$2\r\nid\r\n):\d+/, ''),
            )
          },
        ),
        { numRuns: Math.ceil(RUNS / 2) },
      )
    },
  )
})
