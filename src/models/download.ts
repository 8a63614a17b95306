/**
 * Downloads one file of a hub: resumes a partial download, checks length and checksum, and only then
 * gives the file its name. Knows nothing of models.
 */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../errors.ts'
import {
  openFile,
  type Checksum,
  type HubFile,
  type HubOptions,
  type HubRepository,
} from './hub.ts'

export interface DownloadOptions {
  hub: HubOptions
  /** @param bytes of the file that are on the disk */
  onProgress: (bytes: number) => void
  sleep: (ms: number) => Promise<unknown>
}

/** before a broken connection is opened again; doubles with each attempt without a byte */
const RETRY_MS = 1000
/** consecutive attempts without a byte */
const MAX_FAILURES = 4

const sizeOf = async (path: string): Promise<number | null> =>
  stat(path).then(
    ({ size }) => size,
    () => null
  )

/** @param size of the whole file; git hashes it before the bytes */
const startHash = ({ algorithm }: Checksum, size: number): Hash =>
  algorithm === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`)

const matches = async (path: string, file: HubFile): Promise<boolean> => {
  if ((await sizeOf(path)) !== file.size) return false
  const hash = startHash(file.checksum, file.size)
  for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array)
  return hash.digest('hex') === file.checksum.hex
}

/** The name has the checksum, so a resumed download never mixes two versions of a file. */
const partPath = (folder: string, { name, checksum }: HubFile): string =>
  join(folder, `${name}.${checksum.hex.slice(0, 12)}.part`)

/** Appends the hub's bytes. @throws AppError `hub-unavailable` when the connection breaks or ends early */
const append = async (
  repository: HubRepository,
  file: HubFile,
  part: { path: string; bytes: number },
  { hub, onProgress }: DownloadOptions
): Promise<void> => {
  const { offset, body } = await openFile(hub, repository, file, part.bytes)
  const handle = await open(part.path, offset === 0 ? 'w' : 'a')
  let bytes = offset
  try {
    for await (const piece of body) {
      bytes += piece.length
      if (bytes > file.size)
        throw new AppError(
          'checksum-mismatch',
          `the hub sent more than the ${file.size} bytes of ${file.name}: pull it again`
        )
      await handle.writeFile(piece)
      onProgress(bytes)
    }
    if (bytes < file.size)
      throw new AppError(
        'hub-unavailable',
        `the hub ended ${file.name} at byte ${bytes} of ${file.size}: pull it again`
      )
  } finally {
    await handle.close()
  }
}

const isCut = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'hub-unavailable'

const fill = async (
  repository: HubRepository,
  file: HubFile,
  path: string,
  options: DownloadOptions
): Promise<void> => {
  let failures = 0
  for (let bytes = (await sizeOf(path)) ?? 0; bytes < file.size;) {
    try {
      return await append(repository, file, { path, bytes }, options)
    } catch (error) {
      const now = (await sizeOf(path)) ?? 0
      failures = now > bytes ? 0 : failures + 1
      bytes = now
      if (!isCut(error) || failures === MAX_FAILURES) throw error
    }
    await options.sleep(RETRY_MS * 2 ** failures)
  }
}

/** Bytes of the file that are on the disk, complete or partial. */
export const bytesHere = async (folder: string, file: HubFile): Promise<number> =>
  (await sizeOf(join(folder, file.name))) ?? (await sizeOf(partPath(folder, file))) ?? 0

/**
 * Downloads the file into the folder unless it is there. An interrupted call leaves a `.part` file,
 * which the next call resumes. @throws AppError `checksum-mismatch`, `not-found`, `unauthorized`,
 * `hub-unavailable`; errors of the disk
 */
export const downloadFile = async (
  repository: HubRepository,
  file: HubFile,
  folder: string,
  options: DownloadOptions
): Promise<void> => {
  const path = join(folder, file.name)
  if (await matches(path, file)) return options.onProgress(file.size)
  const part = partPath(folder, file)
  try {
    await fill(repository, file, part, options)
    if (file.size === 0) await writeFile(part, '')
    if (!(await matches(part, file)))
      throw new AppError(
        'checksum-mismatch',
        `${file.name} does not have the hub's checksum and was deleted: pull it again`
      )
  } catch (error) {
    if (error instanceof AppError && error.code === 'checksum-mismatch')
      await rm(part, { force: true })
    throw error
  }
  await rename(part, path)
}
