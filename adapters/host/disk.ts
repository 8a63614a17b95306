/** Folders, and atomic writes: after a crash, a file is complete or absent. */
import { randomUUID } from 'node:crypto'
import * as nodeFiles from 'node:fs/promises'
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

/** File systems that cannot sync a folder (SMB, some FUSE mounts) answer so: a rename is durable there. */
const NO_FOLDER_SYNC = ['EBADF', 'EINVAL', 'ENOSYS', 'ENOTSUP', 'EISDIR']
const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG']

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | null)?.code ?? ''

/** Makes renames inside the folder durable, where the file system can. */
export const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch (error) {
    if (!NO_FOLDER_SYNC.includes(codeOf(error))) throw error
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
    const drafts = new Set(names.filter(isDraft))
    for (const name of drafts) await rm(join(folder, name), { recursive: true, force: true })
    return names.filter((name) => !drafts.has(name))
  } catch (cause) {
    throw storageError(`${folder} cannot be used`, cause)
  }
}

/** What a folder is tried with. */
export type FileCalls = Pick<
  typeof nodeFiles,
  'appendFile' | 'mkdir' | 'readFile' | 'rename' | 'writeFile'
>

/**
 * Makes the folder and tries in it all that records and loras are written with: a mounted bucket may
 * lack some of it, and would fail only when a training has ended. A full disk passes, because an engine
 * on one still answers.
 * @throws AppError `store-unavailable` that says what the folder cannot do
 */
export const checkFolder = async (folder: string, files: FileCalls = nodeFiles): Promise<void> => {
  const place = join(folder, `.check-${randomUUID()}`)
  const [file, draft] = [join(place, 'file'), join(place, 'draft')]
  const steps: [string, () => Promise<unknown>][] = [
    // rows are of users, so a folder that is made is of this user alone
    ['make a folder', () => files.mkdir(place, { recursive: true, mode: 0o700 })],
    ['write and sync a file', () => files.writeFile(file, 'old', { flush: true })],
    ['write a second file', () => files.writeFile(draft, 'new', { flush: true })],
    ['replace a file by a rename', () => files.rename(draft, file)],
    ['append to a file', () => files.appendFile(file, ' and more')],
    [
      'read a file back',
      async () => expectText(await files.readFile(file, 'utf8'), 'new and more'),
    ],
    ['sync a folder', () => syncFolder(place)],
    ['remove a folder', () => rm(place, { recursive: true })],
  ]
  try {
    for (const [what, step] of steps)
      await step().catch((error: unknown) => {
        throw FULL.includes(codeOf(error)) ? error : storageError(`${folder} cannot ${what}`, error)
      })
  } catch (error) {
    if (!FULL.includes(codeOf(error))) throw error
  } finally {
    await rm(place, { recursive: true, force: true }).catch(() => undefined)
  }
}

const expectText = (found: string, expected: string): void => {
  if (found !== expected) throw new Error(`it gives ${JSON.stringify(found)} for what was written`)
}
