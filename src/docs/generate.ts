import { writeFileSync } from 'node:fs'
import { commandTable } from '../commands/table.ts'
import { commandsPage } from './commands-page.ts'
import { confFile } from './conf-file.ts'
import { configurationPage } from './configuration-page.ts'

/** The files that `make docs` writes, by their paths in the repository. */
export const generatedFiles: Readonly<Record<string, () => string>> = {
  'conf/ktree.conf': confFile,
  'docs/commands.md': () => commandsPage(commandTable),
  'docs/configuration.md': configurationPage,
}

/** Writes all generated files. @param top the repository, as a file: URL with a slash at its end */
export function generate(top: URL): void {
  for (const [path, text] of Object.entries(generatedFiles)) {
    writeFileSync(new URL(path, top), text())
  }
}
