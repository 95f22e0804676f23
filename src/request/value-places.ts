import { constants } from 'node:buffer'
import type { RequestArguments } from '../resp/request-arguments.ts'
import { sliceValue, textOfValue, type Value } from '../store/value.ts'
import type { Argument } from './arguments/argument.ts'
import { CommandError } from './arguments/errors.ts'
import { MAX_NAME_BYTES } from './arguments/pattern.ts'
import { tokenOf } from './arguments/token.ts'
import type { Command } from './command.ts'

/** Where in a request the arguments stand that a command declares as values. */
export class ValuePlaces {
  /** Positions of single values. */
  readonly #places = new Set<number>()
  /** Words after which a value stands. */
  readonly #tokens = new Set<string>()
  /** Where arguments begin that are repeated in blocks, how long a block is, and its value's place. */
  #repeated: readonly [first: number, length: number, place: number] | undefined

  constructor({ args = [] }: Command) {
    let place = 1
    for (const arg of args) {
      if (arg.multiple === true && arg.args !== undefined) {
        this.#repeated = [place, arg.args.length, arg.args.findIndex(({ value }) => value === true)]
      } else if (arg.token !== undefined || arg.type === 'oneof') {
        this.#addTokens(arg)
      } else {
        if (arg.value === true) this.#places.add(place)
        place++
      }
    }
  }

  /** Whether the argument at a position may be large. */
  has(args: RequestArguments, at: number): boolean {
    if (this.#places.has(at)) return true
    if (this.#repeated !== undefined) {
      const [first, length, place] = this.#repeated
      if (at >= first && (at - first) % length === place) return true
    }
    return this.#tokens.size > 0 && this.#tokens.has(tokenOf(args[at - 1]))
  }

  #addTokens({ token, value, args = [] }: Argument): void {
    if (token !== undefined && value === true) this.#tokens.add(token)
    for (const member of args) this.#addTokens(member)
  }
}

/** Whether a request has large arguments. */
export function hasLarge(args: RequestArguments): boolean {
  for (let i = 1; i < args.length; i++) if (typeof args[i] !== 'string') return true
  return false
}

/**
 * A request's arguments as strings. One that is longer than a key or a channel can be is cut, but stays
 * too long: it is a value, or will be refused, or is an option that a NUL byte ends.
 */
export function wordsOf(args: readonly Value[]): readonly string[] {
  return args.map((arg) => textOfValue(sliceValue(arg, 0, MAX_NAME_BYTES + 1)))
}

/**
 * A request in which only those large arguments are Buffers that the command expects to be.
 *
 * @param places absent if the command expects none
 * @throws CommandError if another argument is longer than a string can be
 */
export function withoutLarge(
  args: RequestArguments,
  places: ValuePlaces | undefined,
): RequestArguments {
  const [name, ...rest] = args
  const plain = rest.map((arg, i) => {
    if (typeof arg === 'string' || places?.has(args, i + 1) === true) return arg
    if (arg.length <= constants.MAX_STRING_LENGTH) return textOfValue(arg)
    throw new CommandError('ERR an argument that is no value is too long')
  })
  return [name, ...plain]
}
