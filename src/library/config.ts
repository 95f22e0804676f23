import {
  ConfigError,
  type DirectiveName,
  type DirectiveValue,
  Config as ServerConfig,
} from '../config/config.ts'
import { decodeText, encodeText, type Text } from './text.ts'

/** The values of all directives, for programs: as text. */
export class Config {
  readonly #config: ServerConfig

  constructor(config: ServerConfig = new ServerConfig()) {
    this.#config = config
  }

  get<N extends DirectiveName>(name: N): DirectiveValue<N> {
    return decodeValue(this.#config.get(name))
  }

  /**
   * Sets one directive from the arguments of a line of a conf file. Immutable directives can be set
   * too.
   *
   * @throws ConfigError
   */
  set(name: string, args: readonly Text[]): void {
    withText(() => this.#config.set(name, args.map(encodeText)))
  }

  /**
   * CONFIG SET: sets all of the directives or, if one is refused, none.
   *
   * @param pairs names in any case, each with one argument, such as a Map
   * @throws ConfigError
   */
  setMany(pairs: Iterable<readonly [name: string, value: Text]>): void {
    withText(() =>
      this.#config.setMany(Array.from(pairs, ([name, value]) => [name, encodeText(value)])),
    )
  }

  /** The value as CONFIG GET shows it. */
  format(name: DirectiveName): string {
    return decodeText(this.#config.format(name))
  }

  /** Whether a directive has its default value. */
  isDefault(name: DirectiveName): boolean {
    return this.#config.isDefault(name)
  }

  /** The names that match any of the globs, in any case. */
  match(globs: readonly string[]): DirectiveName[] {
    return this.#config.match(globs)
  }

  /** Calls `listener` whenever the value changes. @returns a function that ends that */
  onChange<N extends DirectiveName>(
    name: N,
    listener: (value: DirectiveValue<N>, previous: DirectiveValue<N>) => void,
  ): () => void {
    return this.#config.onChange(name, (value, previous) =>
      listener(decodeValue(value), decodeValue(previous)),
    )
  }

  /** The configuration that a server takes. */
  static inner(config: Config): ServerConfig {
    return config.#config
  }
}

function decodeValue<V>(value: V): V {
  if (typeof value === 'string') return decodeText(value) as V
  if (!Array.isArray(value)) return value
  return value.map((item) => decodeText(String(item))) as V
}

function withText(change: () => void): void {
  try {
    change()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const { directive, reason, message } = error
    throw new ConfigError(directive, decodeText(reason), decodeText(message))
  }
}
