/**
 * Writes a tiny Llama-family model with random weights as a Hugging Face folder: the same seed and
 * shape give the same bytes. For tests and benchmarks.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../../../src/random.ts'
import { type LlamaConfig, modelTensors } from '../../../adapters/model/llama-config.ts'
import { byteCharacters, type TokenizerJson } from '../../../adapters/text/text-tokenizer.ts'

/** Default shape: two layers, 64 wide, grouped heads; whole 4-bit blocks in every row. */
export type RandomModelOptions = { seed: number } & Partial<
  Pick<
    LlamaConfig,
    | 'hiddenSize'
    | 'layers'
    | 'heads'
    | 'kvHeads'
    | 'intermediateSize'
    | 'maxPositions'
    | 'tiedEmbeddings'
  >
>

/** ChatML with a default system message, as SmolLM2's template has it. */
const CHAT_TEMPLATE = `{% for message in messages %}{% if loop.first and message['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a random model.<|im_end|>\\n' }}{% endif %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`

const CONTROL_TOKENS = ['<|endoftext|>', '<|im_start|>', '<|im_end|>']
const MERGES: [string, string][] = [
  ['t', 'h'],
  ['th', 'e'],
  ['Ġ', 'the'],
  ['i', 'n'],
  ['e', 'r'],
]

/** With every field that Hugging Face's tokenizers library insists on, so that vLLM reads it too. */
const tokenizerJson = (): TokenizerJson => {
  const tokens = [
    ...CONTROL_TOKENS,
    ...byteCharacters().keys(),
    ...MERGES.map((pair) => pair.join('')),
  ]
  const byteLevel = {
    type: 'ByteLevel',
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: true,
  }
  const controlToken = {
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  }
  return {
    version: '1.0',
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: MERGES,
    },
    added_tokens: CONTROL_TOKENS.map((content, id) => ({ id, content, ...controlToken })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    decoder: byteLevel,
    post_processor: null,
  }
}

const huggingFaceConfig = (config: LlamaConfig): Record<string, unknown> => ({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_act: 'silu',
  vocab_size: config.vocabSize,
  hidden_size: config.hiddenSize,
  num_hidden_layers: config.layers,
  num_attention_heads: config.heads,
  num_key_value_heads: config.kvHeads,
  head_dim: config.headDim,
  intermediate_size: config.intermediateSize,
  rope_theta: config.ropeTheta,
  rms_norm_eps: config.rmsNormEps,
  max_position_embeddings: config.maxPositions,
  tie_word_embeddings: config.tiedEmbeddings,
  eos_token_id: CONTROL_TOKENS.indexOf('<|im_end|>'),
})

/** Norms near 1, matrices of variance 1/columns. */
const randomTensor = (shape: number[], random: () => number): Float32Array => {
  const size = shape.reduce((product, length) => product * length, 1)
  const spread = shape.length === 1 ? 0.1 : Math.sqrt(3 / shape[1]!)
  const centre = shape.length === 1 ? 1 : 0
  return Float32Array.from({ length: size }, () => centre + spread * (2 * random() - 1))
}

const safetensors = (config: LlamaConfig, seed: number): Uint8Array => {
  const random = seededRandom(seed)
  const header: Record<string, unknown> = {}
  const parts: Uint8Array[] = []
  let offset = 0
  for (const { name, dims } of modelTensors(config)) {
    const data = new Uint8Array(randomTensor(dims, random).buffer)
    header[name] = { dtype: 'F32', shape: dims, data_offsets: [offset, offset + data.length] }
    parts.push(data)
    offset += data.length
  }
  const json = new TextEncoder().encode(JSON.stringify(header))
  const length = new Uint8Array(8)
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true)
  return Buffer.concat([length, json, ...parts])
}

/** Creates `folder` with config.json, model.safetensors, tokenizer.json and tokenizer_config.json. */
export const writeRandomModel = (folder: string, options: RandomModelOptions): void => {
  const { seed, ...shape } = options
  const heads = shape.heads ?? 4
  const hiddenSize = shape.hiddenSize ?? 64
  const tokenizer = tokenizerJson()
  const config: LlamaConfig = {
    vocabSize: Object.keys(tokenizer.model.vocab).length,
    hiddenSize,
    layers: 2,
    heads,
    kvHeads: 2,
    headDim: hiddenSize / heads,
    intermediateSize: 96,
    ropeTheta: 10_000,
    rmsNormEps: 1e-5,
    maxPositions: 512,
    tiedEmbeddings: true,
    ...shape,
  }
  mkdirSync(folder, { recursive: true })
  const write = (name: string, value: unknown): void =>
    writeFileSync(join(folder, name), JSON.stringify(value))
  write('config.json', huggingFaceConfig(config))
  write('tokenizer.json', tokenizer)
  write('tokenizer_config.json', {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: '<|endoftext|>',
    eos_token: '<|im_end|>',
    chat_template: CHAT_TEMPLATE,
  })
  writeFileSync(join(folder, 'model.safetensors'), safetensors(config, seed))
}
