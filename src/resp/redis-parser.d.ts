// redis-parser 3 ships no types; this declares the part of it that ktree uses.
declare module 'redis-parser' {
  interface RedisParserOptions {
    returnReply(reply: unknown): void
    returnError(error: Error): void
    returnFatalError?(error: Error): void
    returnBuffers?: boolean
    stringNumbers?: boolean
  }

  class RedisParser {
    constructor(options: RedisParserOptions)
    execute(buffer: Buffer): void
    reset(): void
  }

  export = RedisParser
}
