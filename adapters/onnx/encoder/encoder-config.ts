/**
 * The shape of a sentence encoder of the BERT family, from the files that sentence-transformers writes:
 * config.json, modules.json, the pooling's config.json. Knows nothing of weights.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../../src/errors.ts'
import {
  positiveNumbersOf,
  readJson,
  readOptionalJson,
  type Json,
} from '../../model/folder-files.ts'
import type { ModelTensor } from '../../model/llama-config.ts'

export interface EncoderConfig {
  vocabSize: number
  hiddenSize: number
  layers: number
  heads: number
  intermediateSize: number
  layerNormEps: number
  /** rows of the position embeddings */
  positions: number
  tokenTypes: number
  /** a text is cut to so many tokens, the first and the last one included */
  maxTokens: number
  pooling: 'mean' | 'cls'
  /** whether embeddings have length 1 */
  normalize: boolean
  /** put before each text, such as "query: " */
  prefix: string
}

/** Names of the linear layers of one layer of BERT, with Hugging Face's path. */
export const layerName = (layer: number, part: string): string => `encoder.layer.${layer}.${part}`

const linear = (name: string, out: number, inputs: number): ModelTensor[] => [
  { name: `${name}.weight`, dims: [out, inputs] },
  { name: `${name}.bias`, dims: [out] },
]

/** All tensors that the graph reads, without a prefix such as `bert.`. */
export const encoderTensors = (config: EncoderConfig): ModelTensor[] => {
  const { hiddenSize: hidden, intermediateSize: inner } = config
  const norm = (name: string): ModelTensor[] => [
    { name: `${name}.weight`, dims: [hidden] },
    { name: `${name}.bias`, dims: [hidden] },
  ]
  const layers = Array.from({ length: config.layers }, (_, layer) => [
    ...['query', 'key', 'value'].flatMap((part) =>
      linear(layerName(layer, `attention.self.${part}`), hidden, hidden)
    ),
    ...linear(layerName(layer, 'attention.output.dense'), hidden, hidden),
    ...norm(layerName(layer, 'attention.output.LayerNorm')),
    ...linear(layerName(layer, 'intermediate.dense'), inner, hidden),
    ...linear(layerName(layer, 'output.dense'), hidden, inner),
    ...norm(layerName(layer, 'output.LayerNorm')),
  ])
  return [
    { name: 'embeddings.word_embeddings.weight', dims: [config.vocabSize, hidden] },
    { name: 'embeddings.position_embeddings.weight', dims: [config.positions, hidden] },
    { name: 'embeddings.token_type_embeddings.weight', dims: [config.tokenTypes, hidden] },
    ...norm('embeddings.LayerNorm'),
    ...layers.flat(),
  ]
}

const invalid = (message: string): AppError => new AppError('invalid-model', message)

/** @returns why the graph of this engine does not fit the model, or null */
const unsupported = (config: Json): string | null => {
  if (config.model_type !== 'bert') return `its model_type is "${String(config.model_type)}"`
  const position = config.position_embedding_type ?? 'absolute'
  if (position !== 'absolute') return `its position embeddings are "${String(position)}"`
  const activation = config.hidden_act ?? 'gelu'
  return activation === 'gelu' ? null : `its activation is "${String(activation)}"`
}

interface Modules {
  poolingFolder: string
  normalize: boolean
}

const READ_MODULES = ['Transformer', 'Pooling', 'Normalize']

const readModules = (folder: string): Modules => {
  const path = join(folder, 'modules.json')
  if (!existsSync(path))
    throw invalid(
      `${path} is missing: use a folder of sentence-transformers, which says how the vectors of tokens become one`
    )
  const modules = Object.values(readJson(path)) as ({ type?: string; path?: string } | null)[]
  const kinds = modules.map((module) => String(module?.type).split('.').at(-1)!)
  const other = kinds.find((kind) => !READ_MODULES.includes(kind))
  if (other !== undefined)
    throw invalid(
      `${path} has a module ${other}; supported are ${READ_MODULES.join(', ')}, so use another encoder`
    )
  const pooling = modules[kinds.indexOf('Pooling')]
  if (!pooling)
    throw invalid(`${path} lists no Pooling module: copy it from the model's repository`)
  const name = String(pooling.path ?? '1_Pooling')
  if (!/^\w[\w.-]*$/.test(name))
    throw invalid(
      `${path} has its Pooling module in ${JSON.stringify(name)}, which is not a folder beside it`
    )
  return {
    poolingFolder: join(folder, name),
    normalize: kinds.includes('Normalize'),
  }
}

const MODES: Record<string, 'mean' | 'cls'> = {
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_cls_token: 'cls',
}

const readPooling = (folder: string): 'mean' | 'cls' => {
  const path = join(folder, 'config.json')
  if (!existsSync(path))
    throw invalid(
      `${path} is missing: it says how the vectors of tokens are pooled; copy it from the model's repository`
    )
  const config = readJson(path)
  // newer files name one mode, older ones have a flag for each
  const { pooling_mode: named } = config
  if (named === 'mean' || named === 'cls') return named
  const modes = Object.keys(config).filter(
    (key) => key.startsWith('pooling_mode_') && config[key] === true
  )
  const mode = modes.length === 1 ? MODES[modes[0]!] : undefined
  if (mode !== undefined) return mode
  throw invalid(
    `${path} pools by ${modes.join(' and ') || 'no mode'}; supported are mean and cls, so use another encoder`
  )
}

/** The text that sentence-transformers puts before queries when no prompt is named. */
const readPrefix = (folder: string): string => {
  const { prompts, default_prompt_name: name } = readOptionalJson(
    join(folder, 'config_sentence_transformers.json')
  )
  return typeof name === 'string' ? String((prompts as Json | undefined)?.[name] ?? '') : ''
}

/**
 * @throws AppError `invalid-model` with the file at fault: another architecture, no modules.json or
 * pooling configuration, a pooling or module that is not supported
 */
export const readEncoderConfig = (folder: string): EncoderConfig => {
  const path = join(folder, 'config.json')
  const config = readJson(path)
  const reason = unsupported(config)
  if (reason !== null)
    throw invalid(
      `${path}: ${reason}; use a sentence encoder of the BERT family (model_type bert, gelu), such as all-MiniLM-L6-v2`
    )
  const { poolingFolder, normalize } = readModules(folder)
  const positive = positiveNumbersOf(path, config)
  const hiddenSize = positive('hidden_size')
  const heads = positive('num_attention_heads')
  if (hiddenSize % heads !== 0)
    throw invalid(`${folder}: ${hiddenSize} dimensions cannot be split into ${heads} heads`)
  const positions = positive('max_position_embeddings')
  const sentencePath = join(folder, 'sentence_bert_config.json')
  const longest = positiveNumbersOf(sentencePath, readOptionalJson(sentencePath))
  return {
    vocabSize: positive('vocab_size'),
    hiddenSize,
    layers: positive('num_hidden_layers'),
    heads,
    intermediateSize: positive('intermediate_size'),
    layerNormEps: positive('layer_norm_eps', 1e-12),
    positions,
    tokenTypes: positive('type_vocab_size', 2),
    maxTokens: Math.min(positions, longest('max_seq_length', positions)),
    pooling: readPooling(poolingFolder),
    normalize,
    prefix: readPrefix(folder),
  }
}
