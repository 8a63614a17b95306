/** The loras of one base model, tokenizer and chat template on disk. */
import { join } from 'node:path'
import { AppError } from '../../src/errors.ts'
import type { Log } from '../host/log.ts'
import { ModelFolder } from '../host/model-records.ts'
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

export class Loras extends ModelFolder<StoredLora> {
  private constructor(
    folder: string,
    private readonly base: BaseModel
  ) {
    super(folder, 'lora')
  }

  /**
   * Reads and checks every lora once.
   * @throws AppError `store-unavailable` when the folder cannot be used
   */
  static async open(folder: string, base: BaseModel, log: Log): Promise<Loras> {
    const loras = new Loras(folder, base)
    await loras.addAll(log, (name) => name.startsWith('.') || isIncomplete(join(folder, name)))
    return loras
  }

  /** @throws AppError `invalid-model` when it is damaged or was made for another base model */
  async read(id: string): Promise<StoredLora> {
    const lora = await readLora(this.path(id), this.base)
    checkRendering(this.base, id, lora.manifest)
    return lora
  }

  protected check(id: string): Promise<StoredLora> {
    return this.read(id)
  }

  protected override erase(path: string): Promise<void> {
    return removeLora(path)
  }
}
