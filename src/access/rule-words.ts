import { ExpectedError } from '../text/expected-error.ts'
import { quoteWord, splitWords } from '../text/quoting.ts'
import { splitInlineRequest } from '../text/split-words.ts'

/** A rule up to its first NUL byte, which is as much as Redis compares. */
export function ruleText(rule: string): string {
  const end = rule.indexOf('\0')
  return end < 0 ? rule : rule.slice(0, end)
}

/** Whether a name or a pattern has a blank or a NUL byte in it, which would break a user's line. */
export function hasBlank(text: string): boolean {
  return /[ \t-\r\0]/.test(text)
}

/** A selector's parenthesis is not closed; `start` is the argument that opens it. */
export class UnmatchedParenthesis extends ExpectedError {
  override readonly name = 'UnmatchedParenthesis'
  readonly start: string

  constructor(start: string) {
    super(`Unmatched parenthesis in acl selector starting at '${ruleText(start)}'.`)
    this.start = start
  }
}

/**
 * Puts selectors together that are spread over several arguments: `(+get`, `~a)` is one rule.
 *
 * @throws UnmatchedParenthesis
 */
export function mergeSelectors(args: readonly string[]): string[] {
  const rules: string[] = []
  let open: string | undefined
  let start = ''
  for (const arg of args) {
    if (arg.startsWith('(') && !arg.endsWith(')')) {
      open = start = arg
    } else if (open === undefined) {
      rules.push(arg)
    } else {
      open += ` ${ruleText(arg)}`
      if (!arg.endsWith(')')) continue
      rules.push(open)
      open = undefined
    }
  }
  if (open !== undefined) throw new UnmatchedParenthesis(start)
  return rules
}

/** The rules within a selector's parentheses; none if its quotes are unbalanced (Redis). */
export function selectorRules(selector: string): string[] {
  return splitInlineRequest(Buffer.from(ruleText(selector.slice(1, -1)), 'latin1')) ?? []
}

/**
 * A rule as a file keeps it, without a blank: lines are split at blanks. Only a first argument may have
 * one, as in `+get|a b`, which would be read as two rules. No rule begins with a quote.
 */
export function asSaved(rule: string): string {
  return hasBlank(rule) ? quoted(rule) : rule
}

/** The same between a selector's parentheses, where quotes count anyway. */
export function asSavedInSelector(rule: string): string {
  return hasBlank(rule) || /["')]/.test(rule) ? quoted(rule) : rule
}

/** The rule that {@link asSaved} has written. */
export function savedRule(word: string): string {
  if (!word.startsWith('"')) return word
  const words = splitWords(word)
  return words?.length === 1 ? words[0] : word
}

function quoted(rule: string): string {
  return quoteWord(rule).replaceAll(' ', '\\x20')
}
