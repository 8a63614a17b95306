/**
 * Reads a Hugging Face folder (config.json, safetensors, tokenizer files) into the parts of a
 * model.
 */
import { existsSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { AppError } from '../../src/errors.ts'
import type { LlamaConfig, ModelExtras, ModelParts } from './llama-config.ts'
import type { TemplateTokens } from '../text/chat-template.ts'
import {
  openWeights,
  positiveNumbersOf,
  readJson,
  readOptionalJson,
  type Json,
} from './folder-files.ts'
import type { TokenizerJson } from '../text/text-tokenizer.ts'

const MODEL_TYPES = ['llama', 'mistral', 'qwen2', 'qwen3']

/** @returns why the model is none of Llama's family, or null */
const unsupported = (config: Json): string | null => {
  const type = String(config.model_type)
  if (!MODEL_TYPES.includes(type)) return `its model_type is "${type}"`
  const window = config.sliding_window
  const slides = config.use_sliding_window !== false
  if (slides && typeof window === 'number' && window < Number(config.max_position_embeddings))
    return `it attends through a sliding window of ${window} tokens`
  return config.quantization_config == null ? null : 'its weights are quantized already'
}

const extrasOf = (config: Json): ModelExtras => {
  const scaling = (config.rope_scaling ?? config.rope_parameters ?? {}) as Json
  const type = String(config.model_type)
  const activation = String(config.hidden_act ?? 'silu')
  return {
    ...(type !== 'llama' && type !== 'mistral' && { model_type: type }),
    ...((scaling.rope_type ?? scaling.type ?? 'default') !== 'default' && {
      rope_scaling: scaling,
    }),
    ...(config.attention_bias === true && { attention_bias: true }),
    ...(config.mlp_bias === true && { mlp_bias: true }),
    ...(activation !== 'silu' && { hidden_act: activation }),
  }
}

const readConfig = (folder: string): Pick<ModelParts, 'config' | 'extras'> => {
  const path = join(folder, 'config.json')
  const config = readJson(path)
  const reason = unsupported(config)
  if (reason !== null)
    throw new AppError(
      'invalid-model',
      `${folder}: ${reason}; use a chat model of type ${MODEL_TYPES.join(', ')}`
    )
  const rope = (config.rope_parameters ?? {}) as Json
  const positive = positiveNumbersOf(path, config)
  const hiddenSize = positive('hidden_size')
  const heads = positive('num_attention_heads')
  const plain: LlamaConfig = {
    vocabSize: positive('vocab_size'),
    hiddenSize,
    layers: positive('num_hidden_layers'),
    heads,
    kvHeads: positive('num_key_value_heads', heads),
    headDim: positive('head_dim', hiddenSize / heads),
    intermediateSize: positive('intermediate_size'),
    ropeTheta: positiveNumbersOf(path, { ...rope, ...config })('rope_theta', 10_000),
    rmsNormEps: positive('rms_norm_eps', 1e-6),
    maxPositions: positive('max_position_embeddings'),
    tiedEmbeddings: config.tie_word_embeddings === true,
  }
  return { config: plain, extras: extrasOf(config) }
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
  const shape = readConfig(folder)
  const tokenizer = readJson(join(folder, 'tokenizer.json')) as unknown as TokenizerJson
  const tokenizerConfig = readOptionalJson(join(folder, 'tokenizer_config.json'))
  const tokens = templateTokens(tokenizerConfig)
  const chatTemplate = readChatTemplate(folder, tokenizerConfig)
  return {
    ...shape,
    tokenizer: { ...tokenizer, added_tokens: tokenizer.added_tokens ?? [] },
    chatTemplate,
    templateTokens: tokens,
    eosIds: readEosIds(folder, tokenizer, tokens.eos_token),
    name: basename(resolve(folder)),
    ...openWeights(folder),
  }
}
