/** Uploaded files on disk: `<id>.jsonl` with its description in `<id>.json`. Does not read the lines. */
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

export class FileStore {
  private readonly files: Map<string, FileObject>

  private constructor(
    private readonly options: FileStoreOptions,
    files: FileObject[]
  ) {
    this.files = new Map(files.map((file) => [file.id, file]))
  }

  /** @throws AppError `store-unavailable` when the folder cannot be made or read */
  static async open(options: FileStoreOptions): Promise<FileStore> {
    const { dir, log } = options
    const loaded = await loadFiles(dir, log).catch((error: unknown) => {
      throw storageError(`${dir} cannot be read`, error)
    })
    return new FileStore(options, loaded)
  }

  /**
   * The file is on disk when it resolves. When the store is full, files for which `disposable` is true
   * are deleted, oldest first.
   * @throws AppError `body-too-large`, `store-unavailable`
   */
  async create(
    { filename, purpose, content }: { filename: string; purpose: string; content: Blob },
    disposable: (id: string) => boolean
  ): Promise<FileObject> {
    const { maxFileBytes, newId, now } = this.options
    if (content.size > maxFileBytes)
      throw new AppError('body-too-large', `a file may have ${maxFileBytes} bytes`)
    await this.makeRoom(content.size, disposable)
    const file: FileObject = {
      id: `file-${newId()}`,
      object: 'file',
      bytes: content.size,
      created_at: Math.floor(now() / 1000),
      filename,
      purpose,
    }
    await writeAtomically(this.contentPath(file.id), new Uint8Array(await content.arrayBuffer()))
    await writeAtomically(this.descriptionPath(file.id), JSON.stringify(file))
    this.files.set(file.id, file)
    return file
  }

  /** Newest first. */
  list(): FileObject[] {
    return [...this.files.values()].reverse()
  }

  /** @throws AppError `not-found` */
  get(id: string): FileObject {
    const file = this.files.get(id)
    if (!file) throw new AppError('not-found', `no file ${id}`)
    return file
  }

  /** @throws AppError `not-found`, `store-unavailable` */
  async read(id: string): Promise<string> {
    this.get(id)
    try {
      return await readFile(this.contentPath(id), 'utf8')
    } catch (error) {
      throw storageError(`file ${id} cannot be read`, error)
    }
  }

  /** @throws AppError `not-found`, `store-unavailable` */
  async remove(id: string): Promise<void> {
    this.get(id)
    try {
      // the description first: content without a description is not listed after a crash
      await rm(this.descriptionPath(id), { force: true })
      await rm(this.contentPath(id), { force: true })
    } catch (error) {
      throw storageError(`file ${id} cannot be removed`, error)
    }
    this.files.delete(id)
  }

  private async makeRoom(bytes: number, disposable: (id: string) => boolean): Promise<void> {
    const { maxTotalBytes } = this.options
    const fits = (): boolean =>
      [...this.files.values()].reduce((sum, file) => sum + file.bytes, bytes) <= maxTotalBytes
    for (const id of this.files.keys()) if (!fits() && disposable(id)) await this.remove(id)
    if (!fits())
      throw new AppError(
        'store-unavailable',
        `file storage is full (${maxTotalBytes} bytes); delete files that are not needed`
      )
  }

  private contentPath(id: string): string {
    return join(this.options.dir, `${id}.jsonl`)
  }

  private descriptionPath(id: string): string {
    return join(this.options.dir, `${id}.json`)
  }
}
