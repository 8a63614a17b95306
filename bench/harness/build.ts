/** Builds a benchmark as production is built: tsx slows down what it translates and takes memory. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')

export interface Build {
  /** where a source file's output is */
  pathOf: (file: string) => string
  remove: () => void
}

/**
 * Inside the package, where dependencies and migrations are found as from the real build.
 * @param files from the root on; those that are started by their path and imported by none, too
 */
export const build = (name: string, files: string[]): Build => {
  const folder = join(ROOT, 'dist', `bench-${name}`)
  mkdirSync(folder, { recursive: true })
  const config = {
    extends: join(ROOT, 'tsconfig.build.json'),
    compilerOptions: { rootDir: ROOT, outDir: folder },
    include: [],
    files: files.map((file) => join(ROOT, file)),
  }
  const path = join(folder, 'tsconfig.json')
  writeFileSync(path, JSON.stringify(config))
  execFileSync(process.execPath, [TSC, '-p', path], { stdio: ['ignore', 'inherit', 'inherit'] })
  return {
    pathOf: (file) => join(folder, file.replace(/\.ts$/, '.js')),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
