/** The models of one kind on disk: which are served, and why others are not. Knows nothing of their files. */
import { stat } from 'node:fs/promises'
import { AppError, toAppError } from '../../src/errors.ts'
import type { ModelObject } from '../../src/openai/fine-tuning.ts'
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

export class ModelRecords {
  private readonly records = new Map<string, ModelRecord>()

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

  /**
   * @param path of its file or folder, whose time is the model's
   * @param read fails where the model cannot be served
   */
  async add(id: string, path: string, read: () => Promise<unknown>): Promise<ModelRecord> {
    const problem = await read().then(
      () => null,
      (error: unknown) => toAppError(error).message
    )
    const created = Math.floor((await stat(path)).mtimeMs / 1000)
    const record = { id, created, problem }
    this.records.set(id, record)
    return record
  }

  delete(id: string): void {
    this.records.delete(id)
  }
}

/**
 * Reads the file of each head once, and logs which are not served.
 * @param names of the files in their folder
 * @param add reads the head of an id
 */
export const addHeads = async (
  names: readonly string[],
  extension: string,
  add: (id: string) => Promise<ModelRecord>,
  log: Log
): Promise<void> => {
  for (const name of names.filter((entry) => entry.endsWith(extension))) {
    const id = name.slice(0, -extension.length)
    const { problem } = await add(id)
    if (problem !== null) log('warn', 'a head is not served', { head: id, problem })
  }
}

/** Heads as the contract lists them. @param encoder that they belong to */
export const headModels = (
  heads: readonly ModelRecord[],
  encoder: Pick<ModelObject, 'id' | 'max_model_len'>
): ModelObject[] =>
  heads.map(({ id, created }) => ({
    id,
    object: 'model',
    created,
    owned_by: 'promptintern',
    ...(encoder.max_model_len !== undefined && { max_model_len: encoder.max_model_len }),
    kind: 'head',
    parent: encoder.id,
  }))
