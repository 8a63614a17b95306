/**
 * A lora on disk: a folder in PEFT's format with a manifest of its training, named by the hash of both.
 * Folders are written atomically and never change. The optimizer's state may be beside them, for the
 * next stage.
 */
import { createHash, randomUUID } from 'node:crypto'
import { access, mkdir, mkdtemp, open, readFile, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { AppError } from '../../src/errors.ts'
import { LINEAR_LAYERS, type LlamaConfig } from '../model/llama-config.ts'
import type { AdamWState } from '../onnx/gradient/adamw.ts'
import { createLoraLayout, type LoraEntry, type LoraLayout } from './lora-layout.ts'
import { decodeSafetensors, encodeSafetensors } from './safetensors.ts'
import { readStateFile, writeStateFile } from '../onnx/gradient/state-file.ts'

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

export interface StoredLora {
  id: string
  layout: LoraLayout
  theta: Float32Array
  manifest: LoraManifest
}

const WEIGHTS = 'adapter_model.safetensors'
const ADAPTER_CONFIG = 'adapter_config.json'
const MANIFEST = 'manifest.json'
const OPTIMIZER = 'optimizer.bin'

const tensorName = ({ module, matrix }: LoraEntry): string =>
  `base_model.model.${module}.lora_${matrix}.weight`

/** The fields that PEFT needs to load the folder onto the base model. */
const adapterConfig = (layout: LoraLayout, manifest: LoraManifest) => ({
  peft_type: 'LORA',
  task_type: 'CAUSAL_LM',
  base_model_name_or_path: manifest.base_model,
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

const writeDurably = async (path: string, data: Uint8Array): Promise<void> => {
  const file = await open(path, 'wx')
  try {
    await file.writeFile(data)
    await file.sync()
  } finally {
    await file.close()
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false
  )

/**
 * Writes `<lorasDir>/<id>`. The same weights and manifest written twice are one lora.
 * @param optimizer kept beside the weights, outside the hash; null leaves it out
 * @returns the lora's id
 */
export const writeLora = async (
  lorasDir: string,
  lora: { layout: LoraLayout; theta: Float32Array; manifest: LoraManifest },
  optimizer: AdamWState | null
): Promise<string> => {
  const { layout, theta, manifest } = lora
  const weights = encodeSafetensors(
    layout.entries.map((entry) => ({
      name: tensorName(entry),
      dims: entry.dims,
      data: theta.slice(entry.offset, entry.offset + entry.length),
    }))
  )
  const manifestBytes = json(manifest)
  const id = loraId(weights, manifestBytes, manifest.suffix)
  const target = join(lorasDir, id)
  if (await exists(target)) return id
  await mkdir(lorasDir, { recursive: true })
  const draft = await mkdtemp(join(lorasDir, `.draft-${randomUUID()}-`))
  try {
    await writeDurably(join(draft, WEIGHTS), weights)
    await writeDurably(join(draft, ADAPTER_CONFIG), json(adapterConfig(layout, manifest)))
    await writeDurably(join(draft, MANIFEST), manifestBytes)
    if (optimizer !== null)
      await writeStateFile(join(draft, OPTIMIZER), {
        header: { step: optimizer.step },
        vectors: [optimizer.m, optimizer.v],
      })
    await rename(draft, target)
  } catch (error) {
    // another process has written the same content first
    if (!(await exists(target))) throw error
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return id
}

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
  const tensors = decodeSafetensors(weights, source)
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

/** The optimizer's state beside a lora; null when there is none, or it does not fit. */
export const readOptimizer = async (
  folder: string,
  layout: LoraLayout
): Promise<AdamWState | null> => {
  const state = await readStateFile(join(folder, OPTIMIZER))
  const [m, v] = state?.vectors ?? []
  const step = Number(state?.header.step)
  if (m?.length !== layout.length || v?.length !== layout.length || !Number.isInteger(step))
    return null
  return { step, m, v }
}
