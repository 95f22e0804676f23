import { CATEGORIES, type Category } from './categories.ts'
import type { NumberedCommand } from './command-catalogue.ts'
import { Selector } from './selector.ts'

/** The rules of {@link commandRules} in one text. */
export function describeCommands(selector: Selector): string {
  return commandRules(selector).join(' ')
}

/**
 * The rules that allow a selector's commands, as ACL GETUSER and ACL LIST show them: `+@all` or
 * `-@all`, then the categories that come nearest, then single commands.
 *
 * Redis keeps no rules, only what they allow, and works out rules from that. The category with the
 * fewest exceptions comes first. The next are chosen in the same way from what is left, as long as
 * there is a category with more commands that fit than exceptions.
 */
export function commandRules(selector: Selector): string[] {
  const { catalogue, allFirst } = selector
  const sign = allFirst ? '-' : '+'
  // What is still to be told, and what the rules found so far allow.
  const left = selector.copy()
  const told = new Selector(catalogue, false)
  told.apply(allFirst ? '+@all' : '-@all')
  const rules = [allFirst ? '+@all' : '-@all']
  const unused = new Set<Category>(CATEGORIES)
  for (;;) {
    const best = bestCategory(left, unused)
    if (best === undefined) break
    unused.delete(best)
    rules.push(`${sign}@${best}`)
    told.apply(`${sign}@${best}`)
    left.apply(`${allFirst ? '+' : '-'}@${best}`)
  }
  for (const command of catalogue.all) {
    if (command.parent === undefined) tellCommand(selector, told, command, rules)
  }
  return rules
}

function bestCategory(left: Selector, unused: ReadonlySet<Category>): Category | undefined {
  let best: Category | undefined
  let fewest = Number.POSITIVE_INFINITY
  let most = 0
  for (const category of unused) {
    const members = left.catalogue.all.filter(({ categories }) => categories.includes(category))
    const allowed = members.filter(({ id }) => left.commands[id] === 1).length
    const fit = left.allFirst ? members.length - allowed : allowed
    const exceptions = members.length - fit
    if (fit <= exceptions) continue
    if (exceptions < fewest || (exceptions === fewest && fit > most)) {
      best = category
      fewest = exceptions
      most = fit
    }
  }
  return best
}

function tellCommand(
  selector: Selector,
  told: Selector,
  command: NumberedCommand,
  rules: string[],
): void {
  const { id, fullName, subcommands } = command
  const allowed = selector.commands[id] === 1
  if (allowed !== (told.commands[id] === 1)) {
    rules.push((allowed ? '+' : '-') + fullName)
    told.setCommand(command, allowed)
  }
  for (const subcommand of subcommands) tellCommand(selector, told, subcommand, rules)
  if (allowed) return
  for (const first of selector.firstArguments.get(id)?.values() ?? [])
    rules.push(`+${fullName}|${first}`)
}
