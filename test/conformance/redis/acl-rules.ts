import fc from 'fast-check'
import { CATEGORIES } from '../../../src/access/categories.ts'

/** SHA-256 of `secret` and of `other`. */
export const HASHES = [
  '2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b',
  'd9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa',
]

const any = (...words: string[]): fc.Arbitrary<string> => fc.constantFrom(...words)

const flag = any(
  ...['on', 'off', 'ON', 'Off', 'nopass', 'resetpass', 'reset', 'RESET', 'sanitize-payload'],
  ...['skip-sanitize-payload', 'clearselectors', 'ClearSelectors', '', ' ', 'on\0x'],
)
const password = fc.oneof(
  any('>secret', '<secret', '>other', '<other', '>', '<', '> ', '>p\xe4\0w', '<p\xe4\0w'),
  any(...HASHES.flatMap((hash) => [`#${hash}`, `!${hash}`, `#${hash.toUpperCase()}`])),
  any('#', '!', '#123', `#${HASHES[0]}0`, `!${HASHES[0].slice(1)}`, `#${HASHES[0].slice(1)}g`),
)
const keys = any(
  ...['~*', '~a*', '~a', '~b?', '~a/*', '~', '~a b', '~a\0', '~\xff[x-z]*', 'allkeys', 'AllKeys'],
  ...['resetkeys', '%R~a*', '%W~a*', '%RW~a*', '%wr~b', '%R~*', '%RW~*', '%R', '%RR~a', '%X~a'],
  ...['%RWR~a', '%R~a b', '~(', '%r~c', '%w~c'],
)
const channels = any(
  ...[
    '&*',
    '&news*',
    '&news',
    '&',
    '&a b',
    'allchannels',
    'resetchannels',
    'ResetChannels',
    '&\xff',
  ],
)

/** Rules about single commands. @param names full names, in lower case */
function aboutCommands(names: readonly string[]): fc.Arbitrary<string> {
  const name = fc.constantFrom(...names)
  return fc.oneof(
    { weight: 6, arbitrary: fc.tuple(any('+', '-'), name).map((parts) => parts.join('')) },
    fc.tuple(any('+', '-'), name).map(([sign, each]) => sign + each.toUpperCase()),
    fc.tuple(any('+', '-'), name, any('|0', '|x', '|X', '|')).map((parts) => parts.join('')),
    any('+nope', '-nope', '+', '-', '+|', '+config|nope', '-config|nope', '-get|x', '+get|a|b'),
    any('+config|get|x', 'get', '+get set', '+get\0x', '+ get', '+client|', '-client|'),
  )
}

const all = any('+@all', '-@all', 'allcommands', 'nocommands', '+@ALL', 'AllCommands')

/** Rules about categories. */
export const aboutCategories: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(any('+@', '-@'), any(...CATEGORIES.filter((each) => each !== 'tree')))
      .map((parts) => parts.join('')),
  },
  any('+@nope', '-@', '+@', '+@READ', '-@Write', '+@all ', '+@@all'),
)

/** Arguments of ACL SETUSER, right and wrong, selectors in one piece and in several. */
export function userRules(names: readonly string[], categories: boolean): fc.Arbitrary<string[]> {
  const command = aboutCommands(names)
  const inSelector = fc.oneof(
    { weight: 3, arbitrary: command },
    all,
    keys,
    channels,
    ...(categories ? [aboutCategories] : []),
  )
  const root = fc.oneof({ weight: 2, arbitrary: inSelector }, flag, password, any(')', '((', '))'))
  const selector = fc
    .tuple(
      fc.array(inSelector, { maxLength: 4 }),
      any('(,)', '( , )', '(,', ',)', '("",)'),
      fc.boolean(),
    )
    .map(([rules, style, spread]) => {
      const [open, close = ''] = style.split(',')
      const words = rules.length === 0 ? [open + close] : [...rules]
      if (rules.length > 0) {
        words[0] = open + words[0]
        words[words.length - 1] += close
      }
      return spread ? words : [words.join(' ')]
    })
  const rule = fc.oneof({ weight: 6, arbitrary: root.map((each) => [each]) }, selector)
  return fc.array(rule, { minLength: 1, maxLength: 6 }).map((rules) => rules.flat())
}
