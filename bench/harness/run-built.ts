/** A benchmark that measures itself as production is built: without tsx, which takes time and memory. */
import { spawnSync } from 'node:child_process'
import { build, type Build } from '../../test/kit/process/build.ts'

/**
 * Runs the first of the files, built, with the options of this process; its exit code is this one's.
 * @param more options that name built files
 */
export const runBuilt = (
  name: string,
  files: [script: string, ...others: string[]],
  more: (pathOf: Build['pathOf']) => string[] = () => []
): void => {
  const built = build(name, files)
  try {
    const command = [built.pathOf(files[0]), ...more(built.pathOf), ...process.argv.slice(2)]
    process.exitCode = spawnSync(process.execPath, command, { stdio: 'inherit' }).status ?? 1
  } finally {
    built.remove()
  }
}
