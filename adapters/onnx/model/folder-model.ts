/**
 * Reads a Hugging Face folder (config.json, safetensors, tokenizer files) into the parts of a
 * model. Safetensors: 8 bytes of header length, a JSON header, then the data.
 */
import { existsSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { AppError } from '../../../src/errors.ts'
import type { LlamaConfig } from '../llama-config.ts'
import type { TemplateTokens } from './chat-template.ts'
import type { ModelParts } from './model-parts.ts'
import { isStoredType } from './tensor-types.ts'
import type { TokenizerJson } from './text-tokenizer.ts'
import { OpenFile, type StoredTensor } from './weight-file.ts'

type Json = Record<string, unknown>

const readJson = (path: string): Json => {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new AppError('invalid-model', `${path} is missing or unreadable`, { cause })
  }
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw new AppError('invalid-model', `${path} is not JSON: ${String(cause)}`, { cause })
  }
}

const readOptionalJson = (path: string): Json => (existsSync(path) ? readJson(path) : {})

const number = (config: Json, key: string, fallback?: number): number => {
  const value = config[key] ?? fallback
  if (typeof value !== 'number' || !(value > 0))
    throw new AppError('invalid-model', `config.json has no usable ${key} (${String(value)})`)
  return value
}

/** @returns why the graph of this engine does not fit the model, or null */
const unsupported = (config: Json): string | null => {
  const type = config.model_type
  if (type !== 'llama' && type !== 'mistral') return `its model_type is "${String(type)}"`
  const window = config.sliding_window
  if (typeof window === 'number' && window < Number(config.max_position_embeddings))
    return `it attends through a sliding window of ${window} tokens`
  const scaling = (config.rope_scaling ?? config.rope_parameters ?? {}) as Json
  const kind = scaling.rope_type ?? scaling.type ?? 'default'
  if (kind !== 'default') return `it scales rope ("${String(kind)}")`
  if (config.attention_bias === true || config.mlp_bias === true) return 'it has biases'
  const activation = config.hidden_act ?? 'silu'
  return activation === 'silu' ? null : `its activation is "${String(activation)}"`
}

const readConfig = (folder: string): LlamaConfig => {
  const config = readJson(join(folder, 'config.json'))
  const reason = unsupported(config)
  if (reason !== null)
    throw new AppError(
      'invalid-model',
      `${folder}: ${reason}; use a plain Llama-family decoder (model_type llama, no rope scaling, no biases)`
    )
  const hiddenSize = number(config, 'hidden_size')
  const heads = number(config, 'num_attention_heads')
  const rope = (config.rope_parameters ?? {}) as Json
  return {
    vocabSize: number(config, 'vocab_size'),
    hiddenSize,
    layers: number(config, 'num_hidden_layers'),
    heads,
    kvHeads: number(config, 'num_key_value_heads', heads),
    headDim: number(config, 'head_dim', hiddenSize / heads),
    intermediateSize: number(config, 'intermediate_size'),
    ropeTheta: number({ ...rope, ...config }, 'rope_theta', 10_000),
    rmsNormEps: number(config, 'rms_norm_eps', 1e-6),
    maxPositions: number(config, 'max_position_embeddings'),
    tiedEmbeddings: config.tie_word_embeddings === true,
  }
}

const MAX_HEADER_BYTES = 100_000_000

const readSafetensors = (file: OpenFile, tensors: Map<string, StoredTensor>): void => {
  const length = Number(new DataView(file.read(0, 8).buffer).getBigUint64(0, true))
  if (length > MAX_HEADER_BYTES || 8 + length > file.size)
    throw new AppError('invalid-model', `${file.path} is damaged or not a safetensors file`)
  let header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>
  try {
    header = JSON.parse(new TextDecoder().decode(file.read(8, length)))
  } catch (cause) {
    throw new AppError('invalid-model', `${file.path} has a damaged header`, { cause })
  }
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    // older checkpoints have the rotary frequencies, which are computed from the configuration here
    if (name === '__metadata__' || name.endsWith('.rotary_emb.inv_freq')) continue
    if (!isStoredType(dtype))
      throw new AppError(
        'invalid-model',
        `tensor ${name} is stored as ${dtype}; supported are F32, F16 and BF16`
      )
    tensors.set(name, { type: dtype, shape, file, offset: 8 + length + data_offsets[0] })
  }
}

/** The file names of the weights: one, or the shards that the index lists. */
const weightFiles = (folder: string): string[] => {
  const index = join(folder, 'model.safetensors.index.json')
  if (!existsSync(index)) return ['model.safetensors']
  return [...new Set(Object.values((readJson(index).weight_map ?? {}) as Record<string, string>))]
}

const openWeights = (folder: string): { tensors: Map<string, StoredTensor>; files: OpenFile[] } => {
  const tensors = new Map<string, StoredTensor>()
  const files: OpenFile[] = []
  try {
    for (const name of weightFiles(folder)) {
      const path = join(folder, basename(name))
      if (!existsSync(path)) throw new AppError('invalid-model', `${path} is missing`)
      const file = new OpenFile(path)
      files.push(file)
      readSafetensors(file, tensors)
    }
  } catch (error) {
    for (const file of files) file.close()
    throw error
  }
  return { tensors, files }
}

/** Token entries are a text or an object with the text as `content`. */
const tokenText = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : (value as { content?: string } | null | undefined)?.content

const templateTokens = (config: Json): TemplateTokens =>
  Object.fromEntries(
    ['bos_token', 'eos_token', 'unk_token', 'pad_token'].flatMap((name) => {
      const text = tokenText(config[name])
      return text === undefined ? [] : [[name, text]]
    })
  )

/** The template is in a file of its own, or in the configuration as a text or as a list by name. */
const readChatTemplate = (folder: string, config: Json): string => {
  const file = join(folder, 'chat_template.jinja')
  if (existsSync(file)) return readFileSync(file, 'utf8')
  const template = config.chat_template
  if (typeof template === 'string') return template
  const named = Array.isArray(template)
    ? (template as { name: string; template: string }[]).find(({ name }) => name === 'default')
    : undefined
  if (named) return named.template
  throw new AppError(
    'invalid-model',
    `${folder} has no chat template (chat_template.jinja or tokenizer_config.json); use a chat or instruct model`
  )
}

const readEosIds = (folder: string, tokenizer: TokenizerJson, eosText?: string): number[] => {
  const listed = [
    readJson(join(folder, 'config.json')).eos_token_id,
    readOptionalJson(join(folder, 'generation_config.json')).eos_token_id,
  ].flatMap((ids) => (ids === undefined || ids === null ? [] : (ids as number | number[])))
  const named = tokenizer.added_tokens.find((token) => token.content === eosText)?.id
  return [...new Set([...(named === undefined ? [] : [named]), ...listed])]
}

/** @throws AppError `invalid-model` */
export const readFolderModel = (folder: string): ModelParts => {
  const config = readConfig(folder)
  const tokenizer = readJson(join(folder, 'tokenizer.json')) as unknown as TokenizerJson
  const tokenizerConfig = readOptionalJson(join(folder, 'tokenizer_config.json'))
  const tokens = templateTokens(tokenizerConfig)
  const chatTemplate = readChatTemplate(folder, tokenizerConfig)
  return {
    config,
    tokenizer: { ...tokenizer, added_tokens: tokenizer.added_tokens ?? [] },
    chatTemplate,
    templateTokens: tokens,
    eosIds: readEosIds(folder, tokenizer, tokens.eos_token),
    name: basename(resolve(folder)),
    ...openWeights(folder),
  }
}
