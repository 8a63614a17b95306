/** Folders, and atomic writes: after a crash, a file is complete or absent. */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
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

/**
 * Writes a file as `writeAtomically`, into a folder that is made if need be.
 * @throws AppError `store-unavailable`
 */
export const writeInFolder = async (
  folder: string,
  name: string,
  content: Uint8Array
): Promise<void> => {
  try {
    await mkdir(folder, { recursive: true })
  } catch (cause) {
    throw storageError(`${folder} cannot be written`, cause)
  }
  await writeAtomically(join(folder, name), content)
}

/**
 * The names in a folder, sorted; it is made if need be.
 * @param isDraft what processes left that died, and is removed: nothing may write while the engine starts
 * @throws AppError `store-unavailable` when the folder cannot be used
 */
export const openFolder = async (
  folder: string,
  isDraft: (name: string) => boolean = () => false
): Promise<string[]> => {
  try {
    await mkdir(folder, { recursive: true })
    const names = (await readdir(folder)).sort()
    for (const name of names.filter(isDraft))
      await rm(join(folder, name), { recursive: true, force: true })
    return names.filter((name) => !isDraft(name))
  } catch (cause) {
    throw storageError(`${folder} cannot be used`, cause)
  }
}
