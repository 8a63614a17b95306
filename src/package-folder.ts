import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AppError } from './errors.ts'

/**
 * The folder of the package, in which migrations and models lie; works from the sources and from `dist`.
 * @throws AppError `invalid-config` when no parent folder has a package.json
 */
export const packageFolder = (): string => {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) {
    if (folder === dirname(folder))
      throw new AppError(
        'invalid-config',
        'package.json was not found above the program: reinstall the package'
      )
    folder = dirname(folder)
  }
  return folder
}

/** The version of the package. */
export const packageVersion = (): string => {
  const text = readFileSync(join(packageFolder(), 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
