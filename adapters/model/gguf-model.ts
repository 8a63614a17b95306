/**
 * Reads a GGUF file of the `llama` architecture into the parts of a model. Dequantization is
 * `tensor-types.ts`'; the header is parsed by @huggingface/gguf.
 */
import { basename } from 'node:path'
import { GGMLQuantizationType, gguf, type GGUFTensorInfo } from '@huggingface/gguf'
import { AppError } from '../../src/errors.ts'
import type { LlamaConfig, ModelParts } from './llama-config.ts'
import type { TemplateTokens } from '../text/chat-template.ts'
import { ggufTokenizerJson } from './gguf-tokenizer.ts'
import { isStoredType } from './tensor-types.ts'
import { OpenFile, type StoredTensor } from './weight-file.ts'

type Metadata = Readonly<Record<string, unknown>>

const TENSOR_NAMES: Record<string, string> = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
}

const LAYER_TENSOR_NAMES: Record<string, string> = {
  attn_norm: 'input_layernorm',
  ffn_norm: 'post_attention_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
}

/** Hugging Face's name, or null for a tensor that a plain Llama decoder does not have. */
const tensorName = (name: string): string | null => {
  const layer = /^blk\.(\d+)\.(\w+)\.weight$/.exec(name)
  if (!layer) return TENSOR_NAMES[name] ?? null
  const part = LAYER_TENSOR_NAMES[layer[2]!]
  return part === undefined ? null : `model.layers.${layer[1]}.${part}.weight`
}

const refuse = (path: string, reason: string): never => {
  throw new AppError(
    'invalid-model',
    `${path}: ${reason}; use a plain Llama-family decoder (llama architecture, no rope scaling, no experts, no biases)`
  )
}

/** A whole number under `llama.<key>`. */
const size = (metadata: Metadata, key: string, fallback?: number): number => {
  const value = metadata[`llama.${key}`] ?? fallback
  const number = Number(value)
  if (value === undefined || !Number.isInteger(number) || number <= 0)
    throw new AppError(
      'invalid-model',
      `the GGUF file has no usable llama.${key} (${String(value)})`
    )
  return number
}

const readConfig = (path: string, metadata: Metadata, tensors: GGUFTensorInfo[]): LlamaConfig => {
  const architecture = metadata['general.architecture']
  if (architecture !== 'llama') refuse(path, `its architecture is "${String(architecture)}"`)
  const scaling = metadata['llama.rope.scaling.type'] ?? 'none'
  if (scaling !== 'none') refuse(path, `it scales rope ("${String(scaling)}")`)
  if (Number(metadata['llama.expert_count'] ?? 0) > 0) refuse(path, 'it is a mixture of experts')
  const embedding = tensors.find((tensor) => tensor.name === 'token_embd.weight')
  if (!embedding) throw new AppError('invalid-model', 'the model has no tensor token_embd.weight')

  const hiddenSize = size(metadata, 'embedding_length')
  const heads = size(metadata, 'attention.head_count')
  const headDim = size(metadata, 'attention.key_length', hiddenSize / heads)
  const rotated = size(metadata, 'rope.dimension_count', headDim)
  if (rotated !== headDim) refuse(path, `it rotates ${rotated} of ${headDim} dimensions of a head`)
  return {
    vocabSize: Number(embedding.shape[1]),
    hiddenSize,
    layers: size(metadata, 'block_count'),
    heads,
    kvHeads: size(metadata, 'attention.head_count_kv', heads),
    headDim,
    intermediateSize: size(metadata, 'feed_forward_length'),
    ropeTheta: Number(metadata['llama.rope.freq_base'] ?? 10_000),
    rmsNormEps: Number(metadata['llama.attention.layer_norm_rms_epsilon'] ?? 1e-5),
    maxPositions: size(metadata, 'context_length'),
    tiedEmbeddings: !tensors.some((tensor) => tensor.name === 'output.weight'),
  }
}

const readTensors = (
  file: OpenFile,
  config: LlamaConfig,
  infos: GGUFTensorInfo[],
  dataOffset: bigint
): Map<string, StoredTensor> => {
  const tensors = new Map<string, StoredTensor>()
  for (const info of infos) {
    const name = tensorName(info.name)
    // llama.cpp stores the factors of rope scaling as a tensor of this name
    if (name === null) return refuse(file.path, `it has the tensor ${info.name}`)
    const type = GGMLQuantizationType[info.dtype] ?? String(info.dtype)
    if (!isStoredType(type))
      throw new AppError(
        'invalid-model',
        `tensor ${info.name} is stored as ${type}; supported are F32, F16, BF16, Q8_0, Q4_0 and Q4_1 (llama-quantize makes them)`
      )
    const tensor: StoredTensor = {
      type,
      shape: info.shape.map(Number).reverse(),
      file,
      offset: Number(dataOffset + info.offset),
    }
    if (name.endsWith('q_proj.weight')) tensor.interleavedHeads = config.heads
    if (name.endsWith('k_proj.weight')) tensor.interleavedHeads = config.kvHeads
    tensors.set(name, tensor)
  }
  return tensors
}

const SPECIAL_TOKEN_KEYS: [keyof TemplateTokens, string][] = [
  ['bos_token', 'bos_token_id'],
  ['eos_token', 'eos_token_id'],
  ['unk_token', 'unknown_token_id'],
  ['pad_token', 'padding_token_id'],
]

const templateTokens = (metadata: Metadata): TemplateTokens => {
  const texts = metadata['tokenizer.ggml.tokens'] as string[]
  return Object.fromEntries(
    SPECIAL_TOKEN_KEYS.flatMap(([name, key]) => {
      const id = metadata[`tokenizer.ggml.${key}`]
      return id === undefined ? [] : [[name, texts[Number(id)] ?? '']]
    })
  )
}

/** @throws AppError `invalid-model` */
export const readGgufModel = async (path: string): Promise<ModelParts> => {
  const header = await gguf(path, { allowLocalFile: true }).catch((cause: unknown) => {
    throw new AppError(
      'invalid-model',
      `${path} is not a readable GGUF file (damaged, or the download is incomplete): ${String(cause)}`,
      { cause }
    )
  })
  const metadata = header.metadata as unknown as Metadata
  const config = readConfig(path, metadata, header.tensorInfos)
  const tokenizer = ggufTokenizerJson(metadata)
  const chatTemplate = metadata['tokenizer.chat_template']
  if (typeof chatTemplate !== 'string')
    throw new AppError(
      'invalid-model',
      `${path} has no chat template; use a chat or instruct model`
    )
  const file = new OpenFile(path)
  try {
    return {
      config,
      extras: {},
      tensors: readTensors(file, config, header.tensorInfos, header.tensorDataOffset),
      files: [file],
      tokenizer,
      chatTemplate,
      templateTokens: templateTokens(metadata),
      eosIds: ['eos_token_id', 'eot_token_id', 'eom_token_id'].flatMap((key) => {
        const id = metadata[`tokenizer.ggml.${key}`]
        return id === undefined ? [] : [Number(id)]
      }),
      name: basename(path).replace(/\.gguf$/i, ''),
    }
  } catch (error) {
    file.close()
    throw error
  }
}
