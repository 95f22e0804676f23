import { readFileSync } from 'node:fs'

const packageFile = new URL('../package.json', import.meta.url)

/** ktree's own version, from package.json. */
export const version: string = JSON.parse(readFileSync(packageFile, 'utf8')).version

/** The version of Redis whose protocol, commands and texts ktree follows. Clients ask for it. */
export const redisVersion = '7.0.15'
