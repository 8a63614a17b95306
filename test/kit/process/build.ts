/**
 * Builds a benchmark or the tests' programs as production is built: with tsx a process starts three
 * times slower, runs slower and takes more memory.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')

export interface Build {
  /** where a source file's output is */
  pathOf: (file: string) => string
  remove: () => void
}

/** Where the output of a source file is. @param name of the build */
export const builtPath = (name: string, file: string): string =>
  join(ROOT, 'dist', name, file.replace(/\.ts$/, '.js'))

/**
 * Builds into `dist/<name>`: inside the package, so that dependencies and migrations are found as
 * from the real build. A repeated build writes only what has changed. Types are not checked.
 * @param files paths from the root: every file that is started by its path
 */
export const build = (name: string, files: string[]): Build => {
  const folder = join(ROOT, 'dist', name)
  mkdirSync(folder, { recursive: true })
  const config = {
    extends: join(ROOT, 'tsconfig.build.json'),
    compilerOptions: { rootDir: ROOT, outDir: folder, noCheck: true, incremental: true },
    include: [],
    files: files.map((file) => join(ROOT, file)),
  }
  const path = join(folder, 'tsconfig.json')
  writeFileSync(path, JSON.stringify(config))
  execFileSync(process.execPath, [TSC, '-p', path], { stdio: ['ignore', 'inherit', 'inherit'] })
  return {
    pathOf: (file) => builtPath(name, file),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
