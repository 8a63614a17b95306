import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AppError } from './errors.ts'

/**
 * Where the package lies with what ships beside its code, from the sources as from `dist`.
 * @throws AppError `invalid-config` when it is torn apart
 */
export const packageFolder = (): string => {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) {
    if (folder === dirname(folder))
      throw new AppError('invalid-config', 'the package is not whole; reinstall it')
    folder = dirname(folder)
  }
  return folder
}
