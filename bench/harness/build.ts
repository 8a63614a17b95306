/**
 * Builds files as production is built, without the type check. Code translated by tsx is slower and
 * takes more memory, and a process with tsx starts 0.3 s later.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')

export interface Build {
  /** where a source file's output is */
  pathOf: (file: string) => string
  /** @returns the exports of a source file's output */
  load: <Module>(file: string) => Promise<Module>
  remove: () => void
}

/**
 * Inside the package, where dependencies and migrations are found as from the real build.
 * @param files relative to the root; also modules that are started by their path and not imported
 */
export const build = (name: string, files: string[]): Build => {
  const folder = join(ROOT, 'dist', `part-${name}`)
  mkdirSync(folder, { recursive: true })
  const config = {
    extends: join(ROOT, 'tsconfig.build.json'),
    compilerOptions: { rootDir: ROOT, outDir: folder, noCheck: true },
    include: [],
    files: files.map((file) => join(ROOT, file)),
  }
  const path = join(folder, 'tsconfig.json')
  writeFileSync(path, JSON.stringify(config))
  execFileSync(process.execPath, [TSC, '-p', path], { stdio: ['ignore', 'inherit', 'inherit'] })
  const pathOf = (file: string): string => join(folder, file.replace(/\.ts$/, '.js'))
  return {
    pathOf,
    load: (file) => import(pathToFileURL(pathOf(file)).href),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
