/** Atomic writes: after a crash, a file is complete or absent. */
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AppError } from '../../src/errors.ts'

/** @returns the error for clients after a failed read or write, with the system's reason */
export const storageError = (what: string, cause: unknown): AppError =>
  cause instanceof AppError
    ? cause
    : new AppError(
        'store-unavailable',
        `${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause }
      )

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Replaces the file at `path` in one step: written beside it, synced, renamed.
 * @throws AppError `store-unavailable`, and the old file stays
 */
export const writeAtomically = async (
  path: string,
  content: string | Uint8Array
): Promise<void> => {
  const temporary = `${path}.tmp`
  try {
    const handle = await open(temporary, 'w')
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw storageError(`${path} cannot be written`, error)
  }
}
