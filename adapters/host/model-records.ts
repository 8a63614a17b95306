/** The models of one kind in a folder: which are served, and why others are not. Knows nothing of their files. */
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, toAppError } from '../../src/errors.ts'
import { openFolder } from './disk.ts'
import type { Log } from './log.ts'
import { invalidRequest } from './validation.ts'
import type { EngineBackend } from './backend.ts'

const missing = (model: string): AppError =>
  new AppError('not-found', `the engine has no model ${model}`, { param: 'model' })

const refuse = (model: string): Promise<never> => Promise.reject(missing(model))

/** Every method throws AppError `not-found`. */
export const noModel: EngineBackend = {
  models: () => [],
  fingerprint(model) {
    throw missing(model)
  },
  validateTraining: refuse,
  train: ({ model }) => refuse(model),
  // oxlint-disable-next-line require-yield -- it has nothing to give
  async *complete({ model }) {
    throw missing(model)
  },
  loss: refuse,
  countTokens: refuse,
  deleteModel: refuse,
  close: async () => {},
}

export interface ModelRecord {
  id: string
  /** seconds since the epoch */
  created: number
  /** why the model is not served; null when it is served */
  problem: string | null
}

/**
 * A model that is damaged, or was made for another base, is kept and logged but not served.
 */
export abstract class ModelFolder<Content> {
  private readonly records = new Map<string, ModelRecord>()

  /** @param extension of a model's file; '' where it is a folder */
  protected constructor(
    protected readonly folder: string,
    private readonly kind: 'lora' | 'head',
    private readonly extension: string = ''
  ) {}

  /** Models that are served. */
  list(): ModelRecord[] {
    return [...this.records.values()].filter(({ problem }) => problem === null)
  }

  has(id: string): boolean {
    return this.records.has(id)
  }

  /** @throws AppError `not-found`; `invalid-request` for a model that is not served, with the reason */
  require(id: string): ModelRecord {
    const record = this.records.get(id)
    if (!record) throw new AppError('not-found', `no model ${id}`, { param: 'model' })
    if (record.problem !== null) throw invalidRequest(record.problem, 'model')
    return record
  }

  path(id: string): string {
    return join(this.folder, `${id}${this.extension}`)
  }

  /** Checks what training has just written. */
  async add(id: string): Promise<ModelRecord> {
    const problem = await this.check(id).then(
      () => null,
      (error: unknown) => toAppError(error).message
    )
    const created = Math.floor((await stat(this.path(id))).mtimeMs / 1000)
    const record = { id, created, problem }
    this.records.set(id, record)
    return record
  }

  /** Removes the model from the list at once, then from disk. */
  async remove(id: string): Promise<void> {
    this.records.delete(id)
    await this.erase(this.path(id))
  }

  /**
   * Checks every model once.
   * @param isDraft as `openFolder`
   * @throws AppError `store-unavailable` when the folder cannot be used
   */
  protected async addAll(log: Log, isDraft?: (name: string) => boolean): Promise<void> {
    const { kind, extension } = this
    for (const name of await openFolder(this.folder, isDraft)) {
      if (!name.endsWith(extension)) continue
      const id = name.slice(0, name.length - extension.length)
      const { problem } = await this.add(id)
      if (problem !== null) log('warn', `a ${kind} is not served`, { [kind]: id, problem })
    }
  }

  protected erase(path: string): Promise<void> {
    return rm(path, { force: true })
  }

  /** @throws AppError where the model cannot be served */
  protected abstract check(id: string): Promise<Content>
}
