/**
 * The loras of one base model on disk. A folder that is damaged, or was made for another base model,
 * tokenizer or chat template, is kept and logged but not served.
 */
import { join } from 'node:path'
import { AppError } from '../../src/errors.ts'
import { openFolder } from '../host/disk.ts'
import type { Log } from '../host/log.ts'
import { ModelRecords, type ModelRecord } from '../host/model-records.ts'
import type { BaseModel as Model } from '../model/open-model.ts'
import {
  isIncomplete,
  type LoraManifest,
  readLora,
  removeLora,
  type StoredLora,
} from './lora-file.ts'

type BaseModel = Pick<Model, 'config' | 'fingerprint' | 'tokenizerHash' | 'chat'>

/** Checks that the same text gives the same tokens as in training. */
const checkRendering = (base: BaseModel, id: string, manifest: LoraManifest): void => {
  const differs =
    manifest.tokenizer_hash !== base.tokenizerHash
      ? 'tokenizer'
      : manifest.chat_template_hash !== base.chat.templateHash
        ? 'chat template'
        : null
  if (differs !== null)
    throw new AppError('invalid-model', `${id} was trained with another ${differs}`)
}

export class Loras {
  private readonly folder: string
  private readonly base: BaseModel
  private readonly records = new ModelRecords()

  private constructor(folder: string, base: BaseModel) {
    this.folder = folder
    this.base = base
  }

  /**
   * Reads and checks every lora once.
   * @throws AppError `store-unavailable` when the folder cannot be used
   */
  static async open(folder: string, base: BaseModel, log: Log): Promise<Loras> {
    const loras = new Loras(folder, base)
    for (const id of await openFolder(
      folder,
      (name) => name.startsWith('.') || isIncomplete(join(folder, name))
    )) {
      const { problem } = await loras.add(id)
      if (problem !== null) log('warn', 'a lora is not served', { lora: id, problem })
    }
    return loras
  }

  /** Loras that are served. */
  list(): ModelRecord[] {
    return this.records.list()
  }

  path(id: string): string {
    return join(this.folder, id)
  }

  /**
   * @throws AppError `not-found`; `invalid-request` for a lora that is not served, with the reason
   */
  require(id: string): ModelRecord {
    return this.records.require(id)
  }

  /** Reads a folder that training has just written. */
  add(id: string): Promise<ModelRecord> {
    return this.records.add(id, this.path(id), () => this.read(id))
  }

  /** @throws AppError `invalid-model` when it is damaged or was made for another base model */
  async read(id: string): Promise<StoredLora> {
    const lora = await readLora(this.path(id), this.base)
    checkRendering(this.base, id, lora.manifest)
    return lora
  }

  /** Removes the lora from the list at once, then from disk. */
  async remove(id: string): Promise<void> {
    this.records.delete(id)
    await removeLora(this.path(id))
  }
}
