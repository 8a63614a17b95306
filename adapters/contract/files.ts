/**
 * Uploaded files on disk: `<id>.jsonl` with its description `<id>.json` beside it. Knows nothing
 * of HTTP, jobs or what the lines mean.
 */
import { mkdir, readFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../src/errors.ts'
import { causesOf } from '../../src/fault-log.ts'
import type { FileObject } from '../../src/openai/fine-tuning.ts'
import { storageError, writeAtomically } from './disk.ts'
import type { Log } from './log.ts'

export interface FileStoreOptions {
  dir: string
  /** one file */
  maxFileBytes: number
  /** all files together */
  maxTotalBytes: number
  /** milliseconds since the epoch */
  now: () => number
  newId: () => string
  log: Log
}

export interface FileStore {
  /**
   * Durable when it resolves. When the store is full, files that `disposable` names make room,
   * oldest first.
   * @throws AppError `body-too-large`, `store-unavailable`
   */
  create(
    upload: { filename: string; purpose: string; content: Blob },
    disposable: (id: string) => boolean
  ): Promise<FileObject>
  /** Newest first. */
  list(): FileObject[]
  /** @throws AppError `not-found` */
  get(id: string): FileObject
  /** @throws AppError `not-found`, `store-unavailable` */
  read(id: string): Promise<string>
  /** @throws AppError `not-found`, `store-unavailable` */
  remove(id: string): Promise<void>
}

const loadFiles = async (dir: string, log: Log): Promise<FileObject[]> => {
  await mkdir(dir, { recursive: true })
  const names = (await readdir(dir)).filter((name) => name.endsWith('.json'))
  const loaded = await Promise.all(
    names.map(async (name) => {
      try {
        return [JSON.parse(await readFile(join(dir, name), 'utf8')) as FileObject]
      } catch (error) {
        log('error', 'uploaded file has a broken description and is left out', {
          file: join(dir, name),
          causes: causesOf(error),
        })
        return []
      }
    })
  )
  return loaded.flat().sort((a, b) => a.created_at - b.created_at)
}

/** @throws AppError `store-unavailable` when the folder cannot be made or read */
export const openFileStore = async (options: FileStoreOptions): Promise<FileStore> => {
  const { dir, maxFileBytes, maxTotalBytes, now, newId, log } = options
  const loaded = await loadFiles(dir, log).catch((error: unknown) => {
    throw storageError(`${dir} cannot be read`, error)
  })
  const files = new Map(loaded.map((file) => [file.id, file]))
  const contentPath = (id: string) => join(dir, `${id}.jsonl`)
  const descriptionPath = (id: string) => join(dir, `${id}.json`)
  const totalBytes = () => [...files.values()].reduce((sum, file) => sum + file.bytes, 0)

  const get = (id: string): FileObject => {
    const file = files.get(id)
    if (!file) throw new AppError('not-found', `no file ${id}`)
    return file
  }

  const remove = async (id: string): Promise<void> => {
    get(id)
    try {
      // the description goes first: content without one is not listed after a crash
      await rm(descriptionPath(id), { force: true })
      await rm(contentPath(id), { force: true })
    } catch (error) {
      throw storageError(`file ${id} cannot be removed`, error)
    }
    files.delete(id)
  }

  const makeRoom = async (bytes: number, disposable: (id: string) => boolean): Promise<void> => {
    for (const id of files.keys()) {
      if (totalBytes() + bytes <= maxTotalBytes) return
      if (disposable(id)) await remove(id)
    }
    if (totalBytes() + bytes > maxTotalBytes)
      throw new AppError(
        'store-unavailable',
        `file storage is full (${maxTotalBytes} bytes); delete files that are not needed`
      )
  }

  return {
    get,
    remove,
    list: () => [...files.values()].reverse(),
    async create({ filename, purpose, content }, disposable) {
      if (content.size > maxFileBytes)
        throw new AppError('body-too-large', `a file may have ${maxFileBytes} bytes`)
      await makeRoom(content.size, disposable)
      const file: FileObject = {
        id: `file-${newId()}`,
        object: 'file',
        bytes: content.size,
        created_at: Math.floor(now() / 1000),
        filename,
        purpose,
      }
      await writeAtomically(contentPath(file.id), new Uint8Array(await content.arrayBuffer()))
      await writeAtomically(descriptionPath(file.id), JSON.stringify(file))
      files.set(file.id, file)
      return file
    },
    async read(id) {
      get(id)
      try {
        return await readFile(contentPath(id), 'utf8')
      } catch (error) {
        throw storageError(`file ${id} cannot be read`, error)
      }
    },
  }
}
