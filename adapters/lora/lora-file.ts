/**
 * A lora on disk: a folder in PEFT's format with a manifest of its training, named by the hash of both.
 * Once whole, a folder never changes. Beside them may be what a next stage or a proof needs.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AppError } from '../../src/errors.ts'
import { storageError, syncFolder, writeAtomically } from '../host/disk.ts'
import { LINEAR_LAYERS, type LlamaConfig } from '../model/llama-config.ts'
import type { BaseModel } from '../model/open-model.ts'
import type { ResolvedHyperparameters } from './hyperparameters.ts'
import { createLoraLayout, type LoraEntry, type LoraLayout } from './lora-layout.ts'
import { decodeSafetensors, encodeSafetensors } from './safetensors.ts'

export interface LoraManifest {
  base_model: string
  base_fingerprint: string
  tokenizer_hash: string
  chat_template_hash: string
  data_hash: string
  /** the lora that training started from */
  parent: string | null
  seed: number
  hyperparameters: Record<string, unknown>
  /** how prompts were rendered in training, and must be in serving */
  rendering: { default_system_message: false }
  suffix: string | null
  metadata: Record<string, string>
}

/** The manifest of a lora that a job has trained on this base. */
export const manifestOf = (
  base: Pick<BaseModel, 'name' | 'fingerprint' | 'tokenizerHash' | 'chat'>,
  job: {
    dataHash: string
    lora: string | null
    seed: number
    hyperparameters: ResolvedHyperparameters
    suffix: string | null
    metadata: Record<string, string>
  }
): LoraManifest => ({
  base_model: base.name,
  base_fingerprint: base.fingerprint,
  tokenizer_hash: base.tokenizerHash,
  chat_template_hash: base.chat.templateHash,
  data_hash: job.dataHash,
  parent: job.lora,
  seed: job.seed,
  hyperparameters: { ...job.hyperparameters },
  rendering: { default_system_message: false },
  suffix: job.suffix,
  metadata: job.metadata,
})

export interface StoredLora {
  id: string
  layout: LoraLayout
  theta: Float32Array
  manifest: LoraManifest
}

export const WEIGHTS = 'adapter_model.safetensors'
export const ADAPTER_CONFIG = 'adapter_config.json'
const MANIFEST = 'manifest.json'
/** lies in a folder that is being written or removed, which is no lora */
const INCOMPLETE = '.incomplete'

const tensorName = ({ module, matrix }: LoraEntry): string =>
  `base_model.model.${module}.lora_${matrix}.weight`

/** The fields that PEFT needs to load the folder onto the base model. */
const adapterConfig = (layout: Pick<LoraLayout, 'rank' | 'alpha'>, baseModel: string) => ({
  peft_type: 'LORA',
  task_type: 'CAUSAL_LM',
  base_model_name_or_path: baseModel,
  r: layout.rank,
  lora_alpha: layout.alpha,
  lora_dropout: 0,
  bias: 'none',
  fan_in_fan_out: false,
  inference_mode: true,
  init_lora_weights: true,
  target_modules: LINEAR_LAYERS.map((linear) => linear.slice(linear.indexOf('.') + 1)),
  modules_to_save: null,
})

const json = (value: unknown): Uint8Array => Buffer.from(`${JSON.stringify(value, null, 2)}\n`)

const loraId = (weights: Uint8Array, manifest: Uint8Array, suffix: string | null): string => {
  const hash = createHash('sha256').update(weights).update(manifest).digest('hex')
  return ['lora', suffix, hash].filter((part) => part !== null).join('-')
}

/** Writes what lies beside a lora and is no part of its name: an optimizer's state, a probe. */
export type WriteBeside = (draft: string) => Promise<void>

interface LoraContent {
  rank: number
  alpha: number
  manifest: LoraManifest
  /** of `adapter_model.safetensors`, with PEFT's names */
  weights: Uint8Array
}

/** Whether the folder's writer, or what removed it, has not ended. */
export const isIncomplete = (folder: string): boolean => existsSync(join(folder, INCOMPLETE))

const holds = async (folder: string, parts: [string, Uint8Array][]): Promise<boolean> => {
  try {
    const found = await Promise.all(parts.map(([name]) => readFile(join(folder, name))))
    return parts.every(([, content], at) => found[at]!.equals(content)) && !isIncomplete(folder)
  } catch {
    return false
  }
}

/**
 * Writes `<lorasDir>/<id>`. The same weights and manifest written twice are one lora; a damaged folder
 * of that name is replaced. No folder is renamed: a mounted bucket does that object by object.
 * @returns the lora's id
 * @throws AppError `store-unavailable`
 */
export const storeLora = async (
  lorasDir: string,
  { rank, alpha, manifest, weights }: LoraContent,
  writeBeside: WriteBeside | null
): Promise<string> => {
  const manifestBytes = json(manifest)
  const parts: [string, Uint8Array][] = [
    [WEIGHTS, weights],
    [MANIFEST, manifestBytes],
    // last: servers that look for loras in the folder take this file for one
    [ADAPTER_CONFIG, json(adapterConfig({ rank, alpha }, manifest.base_model))],
  ]
  const id = loraId(weights, manifestBytes, manifest.suffix)
  await writeParts(join(lorasDir, id), parts, writeBeside)
  return id
}

/**
 * Writes `<lorasDir>/<id>` with the files of a stored lora, and in its config the name by which servers
 * know the base model.
 * @param lora its folder
 * @throws AppError `invalid-model`, `store-unavailable`
 */
export const copyLora = async (
  lora: string,
  lorasDir: string,
  baseModel: string
): Promise<void> => {
  const [weights, manifest, config] = await Promise.all(
    [WEIGHTS, MANIFEST, ADAPTER_CONFIG].map((name) => readPart(lora, name))
  )
  const own = parseJson<object>(config!, `${basename(lora)}/${ADAPTER_CONFIG}`)
  const parts: [string, Uint8Array][] = [
    [WEIGHTS, weights!],
    [MANIFEST, manifest!],
    [ADAPTER_CONFIG, json({ ...own, base_model_name_or_path: baseModel })],
  ]
  await writeParts(join(lorasDir, basename(lora)), parts, null)
}

const writeParts = async (
  target: string,
  parts: [string, Uint8Array][],
  writeBeside: WriteBeside | null
): Promise<void> => {
  if (await holds(target, parts)) return
  try {
    // damaged, or of a writer that died
    await removeLora(target)
    await mkdir(target, { recursive: true })
    await writeFile(join(target, INCOMPLETE), '')
    await writeBeside?.(target)
    for (const [name, content] of parts) await writeAtomically(join(target, name), content)
    await rm(join(target, INCOMPLETE))
    for (const folder of [target, dirname(target)]) await syncFolder(folder)
  } catch (error) {
    // another process may have written the same content first
    if (await holds(target, parts)) return
    await removeLora(target).catch(() => undefined)
    throw storageError(`${target} cannot be written`, error)
  }
}

/** In one step it is no lora any more; then its files go. Nothing happens where there is none. */
export const removeLora = async (folder: string): Promise<void> => {
  if (existsSync(join(folder, ADAPTER_CONFIG)))
    await rename(join(folder, ADAPTER_CONFIG), join(folder, INCOMPLETE))
  for (const name of await readdir(folder).catch(() => []))
    if (name !== INCOMPLETE) await rm(join(folder, name), { recursive: true, force: true })
  await rm(folder, { recursive: true, force: true })
}

/** As `storeLora`, from a flat vector. */
export const writeLora = (
  lorasDir: string,
  { layout, theta, manifest }: { layout: LoraLayout; theta: Float32Array; manifest: LoraManifest },
  writeBeside: WriteBeside | null
): Promise<string> => {
  const { rank, alpha } = layout
  return storeLora(
    lorasDir,
    { rank, alpha, manifest, weights: encodeLora(layout, theta) },
    writeBeside
  )
}

/** Writes the PEFT folder of a lora that training begins with; it has no name and no manifest. */
export const writeStart = async (
  folder: string,
  layout: LoraLayout,
  theta: Float32Array
): Promise<void> => {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, WEIGHTS), encodeLora(layout, theta))
  await writeFile(join(folder, ADAPTER_CONFIG), json(adapterConfig(layout, 'base')))
}

/** The bytes of `adapter_model.safetensors`. */
const encodeLora = (layout: LoraLayout, theta: Float32Array): Uint8Array =>
  encodeSafetensors(
    layout.entries.map((entry) => ({
      name: tensorName(entry),
      dims: entry.dims,
      data: theta.slice(entry.offset, entry.offset + entry.length),
    }))
  )

const readPart = async (folder: string, name: string): Promise<Buffer> => {
  try {
    return await readFile(join(folder, name))
  } catch (cause) {
    throw new AppError('invalid-model', `${basename(folder)} has no readable ${name}`, { cause })
  }
}

const parseJson = <T>(bytes: Buffer, source: string): T => {
  try {
    return JSON.parse(bytes.toString('utf8')) as T
  } catch (cause) {
    throw new AppError('invalid-model', `${source} is damaged`, { cause })
  }
}

/**
 * Reads a lora and checks that it fits the base model.
 * @throws AppError `invalid-model` when it is incomplete, damaged or of another base
 */
export const readLora = async (
  folder: string,
  base: { config: LlamaConfig; fingerprint: string }
): Promise<StoredLora> => {
  const id = basename(folder)
  const [weights, adapterBytes, manifestBytes] = await Promise.all(
    [WEIGHTS, ADAPTER_CONFIG, MANIFEST].map((name) => readPart(folder, name))
  )
  const manifest = parseJson<LoraManifest>(manifestBytes!, `${id}/${MANIFEST}`)
  if (manifest.base_fingerprint !== base.fingerprint)
    throw new AppError(
      'invalid-model',
      `${id} was trained on another base model (${manifest.base_model})`
    )
  const adapter = parseJson<{ r: number; lora_alpha: number }>(
    adapterBytes!,
    `${id}/${ADAPTER_CONFIG}`
  )
  if (!Number.isInteger(adapter.r) || adapter.r < 1 || !(adapter.lora_alpha > 0))
    throw new AppError('invalid-model', `${id}/${ADAPTER_CONFIG} has no valid r and lora_alpha`)
  const layout = createLoraLayout(base.config, adapter.r, adapter.lora_alpha)
  const theta = gatherTheta(layout, weights!, `${id}/${WEIGHTS}`)
  if (loraId(weights!, manifestBytes!, manifest.suffix) !== id)
    throw new AppError('invalid-model', `${id} is damaged: its content does not match its name`)
  return { id, layout, theta, manifest }
}

const gatherTheta = (layout: LoraLayout, weights: Uint8Array, source: string): Float32Array => {
  const { tensors } = decodeSafetensors(weights, source)
  const theta = new Float32Array(layout.length)
  for (const entry of layout.entries) {
    const name = tensorName(entry)
    const tensor = tensors.get(name)
    if (tensor === undefined) throw new AppError('invalid-model', `${source} lacks ${name}`)
    if (tensor.dims.join() !== entry.dims.join())
      throw new AppError(
        'invalid-model',
        `${source}: ${name} is [${tensor.dims.join()}], not [${entry.dims.join()}]`
      )
    theta.set(tensor.data, entry.offset)
  }
  return theta
}
