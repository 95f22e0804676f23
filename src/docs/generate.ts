import { writeFileSync } from 'node:fs'
import { commandTable } from '../commands/table.ts'
import { commandsPage } from './commands-page.ts'
import { confFile } from './conf-file.ts'
import { configurationPage } from './configuration-page.ts'

/** The files that `make docs` writes, by their paths from the top of the repository. */
export const generatedFiles: Readonly<Record<string, () => string>> = {
  'conf/ktree.conf': confFile,
  'docs/commands.md': () => commandsPage(commandTable),
  'docs/configuration.md': configurationPage,
}

/** Writes all of them anew, into the repository that `top` (a file: URL with a slash) names. */
export function generate(top: URL): void {
  for (const [path, text] of Object.entries(generatedFiles)) {
    writeFileSync(new URL(path, top), text())
  }
}
