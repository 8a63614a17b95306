/**
 * The field heads of one encoder on disk, one file each, and the open ones. A file that is damaged, or was made for
 * another encoder, is kept and logged but not served.
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { AppError, toAppError } from '../../../src/errors.ts'
import { storageError } from '../../contract/disk.ts'
import type { HeadRecord } from '../../contract/label-head/heads.ts'
import type { Log } from '../../contract/log.ts'
import type { FieldEncoder } from '../encoder/fields/field-encoder.ts'
import { FieldModel } from '../encoder/fields/field-model.ts'
import { FIELD_MODEL_EXTENSION, readFieldModel } from '../encoder/fields/field-model-file.ts'
import { precisionFor } from '../encoder/load-encoder.ts'
import type { FieldHeadForm } from './train-field-head.ts'

export interface FieldHead extends FieldHeadForm {
  id: string
  model: FieldModel
}

export interface FieldHeadsOptions {
  folder: string
  /** called for the first head: an encoder with its embeddings takes 150 MB */
  openEncoder: () => FieldEncoder
  threads: number
  log: Log
}

/** Open ones; of MiniLM each takes some 50 MB. Others are opened when they are asked for. */
const MAX_OPEN = 8

/** A head and the requests that use it: its session is released when it is retired and the last of them is over. */
class OpenHead {
  private readonly opening: Promise<FieldHead>
  private users = 0
  private isRetired = false

  constructor(opening: Promise<FieldHead>) {
    this.opening = opening
  }

  async use<Result>(work: (head: FieldHead) => Promise<Result>): Promise<Result> {
    this.users++
    try {
      return await work(await this.opening)
    } finally {
      this.users--
      this.releaseUnused()
    }
  }

  retire(): void {
    this.isRetired = true
    this.releaseUnused()
  }

  private releaseUnused(): void {
    if (!this.isRetired || this.users > 0) return
    // one that could not be opened has nothing to release
    void this.opening.then(({ model }) => model.close()).catch(() => undefined)
  }
}

export class FieldHeads {
  private readonly options: FieldHeadsOptions
  private encoder: FieldEncoder | null = null
  private readonly records = new Map<string, HeadRecord>()
  /** one opening for all requests that wait for it */
  private readonly opened = new LRUCache<string, OpenHead>({
    max: MAX_OPEN,
    dispose: (head) => head.retire(),
  })

  private constructor(options: FieldHeadsOptions) {
    this.options = options
  }

  /** Reads and checks every head once. @throws AppError `store-unavailable` when the folder cannot be used */
  static async open(options: FieldHeadsOptions): Promise<FieldHeads> {
    const { folder, log } = options
    const heads = new FieldHeads(options)
    let names: string[]
    try {
      await mkdir(folder, { recursive: true })
      names = await readdir(folder)
    } catch (cause) {
      throw storageError(`${folder} cannot be used`, cause)
    }
    for (const name of names.filter((entry) => entry.endsWith(FIELD_MODEL_EXTENSION)).sort()) {
      const id = name.slice(0, -FIELD_MODEL_EXTENSION.length)
      const { problem } = await heads.add(id)
      if (problem !== null) log('warn', 'a head is not served', { head: id, problem })
    }
    return heads
  }

  /** Heads that are served. */
  list(): HeadRecord[] {
    return [...this.records.values()].filter(({ problem }) => problem === null)
  }

  has(id: string): boolean {
    return this.records.has(id)
  }

  /** Checks a file that training has just written. */
  async add(id: string): Promise<HeadRecord> {
    const problem = await readFieldModel(this.options.folder, id, this.ownEncoder()).then(
      () => null,
      (error: unknown) => toAppError(error).message
    )
    const created = Math.floor((await stat(this.path(id))).mtimeMs / 1000)
    const record = { id, created, problem }
    this.records.set(id, record)
    return record
  }

  /**
   * Opens the head unless it is open, and keeps it open until the work is done.
   * @throws AppError `not-found`; `invalid-request` for a head that is not served, with the reason
   */
  async use<Result>(id: string, work: (head: FieldHead) => Promise<Result>): Promise<Result> {
    const record = this.records.get(id)
    if (!record) throw new AppError('not-found', `no model ${id}`, { param: 'model' })
    if (record.problem !== null)
      throw new AppError('invalid-request', record.problem, { param: 'model' })
    const known = this.opened.get(id)
    if (known !== undefined) return known.use(work)
    const opening = this.read(id)
    const head = new OpenHead(opening)
    this.opened.set(id, head)
    // the next request tries again
    opening.catch(() => this.opened.delete(id))
    return head.use(work)
  }

  /** Removes the head from the list at once, then its file. */
  async remove(id: string): Promise<void> {
    this.records.delete(id)
    this.opened.delete(id)
    await rm(this.path(id), { force: true })
  }

  close(): void {
    this.opened.clear()
    this.encoder?.close()
  }

  private ownEncoder(): FieldEncoder {
    this.encoder ??= this.options.openEncoder()
    return this.encoder
  }

  private path(id: string): string {
    return join(this.options.folder, `${id}${FIELD_MODEL_EXTENSION}`)
  }

  private async read(id: string): Promise<FieldHead> {
    const { folder, threads } = this.options
    const encoder = this.ownEncoder()
    const file = await readFieldModel(folder, id, encoder)
    const precision = precisionFor(encoder.config)
    const model = await FieldModel.open(encoder, file, { threads, precision })
    return { id, model, ...(file.manifest.form as FieldHeadForm) }
  }
}
