/** The field heads of one encoder on disk, one file each, and the open ones. */
import { LRUCache } from 'lru-cache'
import type { Log } from '../../host/log.ts'
import { ModelFolder } from '../../host/model-records.ts'
import type { FieldEncoder } from '../encoder/fields/field-encoder.ts'
import { FieldModel } from '../encoder/fields/field-model.ts'
import {
  FIELD_MODEL_EXTENSION,
  readFieldModel,
  type FieldModelFile,
} from '../encoder/fields/field-model-file.ts'
import { precisionFor } from '../encoder/load-encoder.ts'
import type { FieldHeadForm, FormFiller } from './field-answer.ts'

export interface FieldHead extends FieldHeadForm, FormFiller {
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
  private users = 0
  private isRetired = false

  constructor(private readonly opening: Promise<FieldHead>) {}

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

export class FieldHeads extends ModelFolder<FieldModelFile> {
  private encoder: FieldEncoder | null = null
  /** one opening for all requests that wait for it */
  private readonly opened = new LRUCache<string, OpenHead>({
    max: MAX_OPEN,
    dispose: (head) => head.retire(),
  })

  private constructor(private readonly options: FieldHeadsOptions) {
    super(options.folder, 'head', FIELD_MODEL_EXTENSION)
  }

  /** Reads and checks every head once. @throws AppError `store-unavailable` when the folder cannot be used */
  static async open(options: FieldHeadsOptions): Promise<FieldHeads> {
    const heads = new FieldHeads(options)
    await heads.addAll(options.log)
    return heads
  }

  /**
   * Opens the head unless it is open, and keeps it open until the work is done.
   * @throws AppError `not-found`; `invalid-request` for a head that is not served, with the reason
   */
  async use<Result>(id: string, work: (head: FieldHead) => Promise<Result>): Promise<Result> {
    this.require(id)
    const known = this.opened.get(id)
    if (known !== undefined) return known.use(work)
    const opening = this.read(id)
    const head = new OpenHead(opening)
    this.opened.set(id, head)
    // the next request tries again
    opening.catch(() => this.opened.delete(id))
    return head.use(work)
  }

  override remove(id: string): Promise<void> {
    this.opened.delete(id)
    return super.remove(id)
  }

  close(): void {
    this.opened.clear()
    this.encoder?.close()
  }

  private ownEncoder(): FieldEncoder {
    this.encoder ??= this.options.openEncoder()
    return this.encoder
  }

  protected async check(id: string): Promise<FieldModelFile> {
    return readFieldModel(this.folder, id, this.ownEncoder())
  }

  private async read(id: string): Promise<FieldHead> {
    const file = await this.check(id)
    const encoder = this.ownEncoder()
    const precision = precisionFor(encoder.config)
    const { threads } = this.options
    const model = await FieldModel.open(encoder, file, { threads, precision })
    return { id, model, kinds: file.kinds, ...(file.manifest.form as FieldHeadForm) }
  }
}
