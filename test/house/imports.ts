import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const TOP = fileURLToPath(new URL('../../', import.meta.url))
/** `from './x.ts'`, `import './x.ts'`, `import('./x.ts')`: types are imports as well. */
const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*'(\.{1,2}\/[^']+)'/g

/** All files below `src/`, as paths from the top of the project, each with its lines. */
export function sourceFiles(): ReadonlyMap<string, string> {
  const names = readdirSync(join(TOP, 'src'), { recursive: true, encoding: 'utf8' })
  const paths = names.filter((name) => name.endsWith('.ts')).map((name) => join('src', name))
  return new Map(paths.sort().map((path) => [path, readFileSync(join(TOP, path), 'utf8')]))
}

/** Which file imports which, by path from the top of the project. */
export function importsOf(files: ReadonlyMap<string, string>): ReadonlyMap<string, string[]> {
  const imports = new Map<string, string[]>()
  for (const [path, text] of files) {
    const targets = [...text.matchAll(IMPORT)].map(([, target]) =>
      relative('.', join(dirname(path), target)),
    )
    imports.set(path, targets)
  }
  return imports
}

/** The circles: groups of files that import each other in a loop (Tarjan). */
export function circlesOf(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const indexes = new Map<string, number>()
  const lows = new Map<string, number>()
  const stack: string[] = []
  const circles: string[][] = []
  const visit = (path: string): number => {
    const index = indexes.size
    let low = index
    indexes.set(path, index)
    stack.push(path)
    for (const target of imports.get(path) ?? []) {
      const known = indexes.get(target)
      if (known === undefined) low = Math.min(low, visit(target))
      else if (stack.includes(target)) low = Math.min(low, lows.get(target) ?? known)
    }
    lows.set(path, low)
    if (low === index) {
      const circle = stack.splice(stack.indexOf(path))
      if (circle.length > 1) circles.push(circle.sort())
    }
    return low
  }
  for (const path of imports.keys()) if (!indexes.has(path)) visit(path)
  return circles
}
