import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ggufTokenizerJson } from '../../adapters/model/gguf-tokenizer.ts'
import { loadModel, type LoadedModel } from '../../adapters/onnx/load-model.ts'
import { writeRandomModel } from '../kit/model/random-model.ts'
import { createTextTokenizer, type TokenizerJson } from '../../adapters/text/text-tokenizer.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const root = sharedFolder()
const folder = join(root, 'tiny')
let original: LoadedModel

beforeAll(async () => {
  writeRandomModel(folder, { seed: 3, tiedEmbeddings: false })
  original = await loadModel(folder)
})
afterAll(() => original.close())

type Value = string | number | boolean | string[] | number[]

const written = (length: number, write: (bytes: Buffer) => void): Buffer => {
  const bytes = Buffer.alloc(length)
  write(bytes)
  return bytes
}
const u32 = (value: number): Buffer => written(4, (bytes) => bytes.writeUInt32LE(value))
const u64 = (value: number): Buffer => written(8, (bytes) => bytes.writeBigUInt64LE(BigInt(value)))
const f32 = (value: number): Buffer => written(4, (bytes) => bytes.writeFloatLE(value))
const string = (value: string): Buffer => {
  const bytes = Buffer.from(value)
  return Buffer.concat([u64(bytes.length), bytes])
}
/** Value type numbers of the GGUF specification: 4 uint32, 6 float32, 7 bool, 8 string, 9 array. */
const scalar = (value: string | number | boolean): [number, Buffer] => {
  if (typeof value === 'string') return [8, string(value)]
  if (typeof value === 'boolean') return [7, Buffer.of(value ? 1 : 0)]
  return Number.isInteger(value) ? [4, u32(value)] : [6, f32(value)]
}
const entry = (key: string, value: Value): Buffer => {
  if (!Array.isArray(value)) {
    const [type, bytes] = scalar(value)
    return Buffer.concat([string(key), u32(type), bytes])
  }
  const items = value.map((item) => scalar(item))
  const head = [string(key), u32(9), u32(items[0]![0]), u64(items.length)]
  return Buffer.concat([...head, ...items.map(([, bytes]) => bytes)])
}

/** To IEEE 754 binary16, subnormal numbers included. */
const toHalf = (value: number): number => {
  if (value === 0) return 0
  const sign = value < 0 ? 0x8000 : 0
  const exponent = Math.floor(Math.log2(Math.abs(value)))
  if (exponent < -14) return sign + Math.round(Math.abs(value) * 2 ** 24)
  const fraction = Math.round((Math.abs(value) / 2 ** exponent - 1) * 1024)
  return sign + ((exponent + 15) << 10) + fraction
}
const half = (value: number): Buffer => written(2, (bytes) => bytes.writeUInt16LE(toHalf(value)))

type Type = 'F32' | 'F16' | 'Q8_0' | 'Q4_0' | 'Q4_1'
const TYPE_NUMBER: Record<Type, number> = { F32: 0, F16: 1, Q4_0: 2, Q4_1: 3, Q8_0: 8 }

const nibbles = (quantized: number[]): Buffer =>
  Buffer.from(Array.from({ length: 16 }, (_, i) => quantized[i]! | (quantized[i + 16]! << 4)))
const clamp = (value: number): number => Math.max(0, Math.min(15, Math.round(value)))

/** One block of 32 weights. */
const quantizeBlock = (type: Type, values: number[]): Buffer => {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const magnitude = Math.max(-low, high)
  if (type === 'Q8_0') {
    const scale = magnitude / 127
    const bytes = Buffer.alloc(32)
    values.forEach((value, i) =>
      bytes.writeInt8(Math.max(-127, Math.min(127, Math.round(value / scale))), i)
    )
    return Buffer.concat([half(scale), bytes])
  }
  if (type === 'Q4_1') {
    const scale = (high - low) / 15
    return Buffer.concat([
      half(scale),
      half(low),
      nibbles(values.map((v) => (scale === 0 ? 0 : clamp((v - low) / scale)))),
    ])
  }
  const scale = magnitude / 7
  return Buffer.concat([half(scale), nibbles(values.map((value) => clamp(value / scale + 8)))])
}

const encodeTensor = (type: Type, values: Float32Array): Buffer => {
  if (type === 'F32') return Buffer.from(values.buffer, values.byteOffset, values.byteLength)
  if (type === 'F16') return Buffer.concat(Array.from(values, half))
  const blocks: Buffer[] = []
  for (let at = 0; at < values.length; at += 32)
    blocks.push(quantizeBlock(type, Array.from(values.subarray(at, at + 32))))
  return Buffer.concat(blocks)
}

/** llama.cpp's order of the rows of q and k: reshape(heads, 2, dim/2, …).swapaxes(1, 2). */
const interleave = (values: Float32Array, heads: number, columns: number): Float32Array => {
  const headDim = values.length / columns / heads
  const result = new Float32Array(values.length)
  let row = 0
  for (let head = 0; head < heads; head++)
    for (let i = 0; i < headDim / 2; i++)
      for (let side = 0; side < 2; side++) {
        const from = (head * headDim + side * (headDim / 2) + i) * columns
        result.set(values.subarray(from, from + columns), row++ * columns)
      }
  return result
}

const LAYER: [string, string][] = [
  ['attn_norm', 'input_layernorm'],
  ['ffn_norm', 'post_attention_layernorm'],
  ['attn_q', 'self_attn.q_proj'],
  ['attn_k', 'self_attn.k_proj'],
  ['attn_v', 'self_attn.v_proj'],
  ['attn_output', 'self_attn.o_proj'],
  ['ffn_gate', 'mlp.gate_proj'],
  ['ffn_up', 'mlp.up_proj'],
  ['ffn_down', 'mlp.down_proj'],
]
const NAMES: [string, string][] = [
  ['token_embd.weight', 'model.embed_tokens.weight'],
  ['output_norm.weight', 'model.norm.weight'],
  ['output.weight', 'lm_head.weight'],
  ...[0, 1].flatMap((layer) =>
    LAYER.map(([ours, theirs]): [string, string] => [
      `blk.${layer}.${ours}.weight`,
      `model.layers.${layer}.${theirs}.weight`,
    ])
  ),
]

const metadata = (): Record<string, Value> => {
  const json = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as TokenizerJson
  const tokenizerConfig = JSON.parse(
    readFileSync(join(folder, 'tokenizer_config.json'), 'utf8')
  ) as { chat_template: string }
  const tokens = Object.entries(json.model.vocab)
    .sort(([, a], [, b]) => a - b)
    .map(([token]) => token)
  return {
    'general.architecture': 'llama',
    'general.name': 'tiny',
    'llama.block_count': 2,
    'llama.context_length': 512,
    'llama.embedding_length': 64,
    'llama.feed_forward_length': 96,
    'llama.attention.head_count': 4,
    'llama.attention.head_count_kv': 2,
    'llama.attention.layer_norm_rms_epsilon': 1.0000000656873453e-5,
    'llama.rope.dimension_count': 16,
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': tokens.map((_, id) => (id < 3 ? 3 : 1)),
    'tokenizer.ggml.merges': json.model.merges.map((pair) => (pair as string[]).join(' ')),
    'tokenizer.ggml.bos_token_id': 0,
    'tokenizer.ggml.eos_token_id': 2,
    'tokenizer.chat_template': tokenizerConfig.chat_template,
  }
}

interface GgufOptions {
  metadata?: Record<string, Value>
  drop?: string
  extra?: string
}

/** The tiny model as a GGUF file of version 3; norms stay float32, as llama.cpp keeps them. */
const writeGguf = (path: string, type: Type, options: GgufOptions = {}): void => {
  const entries = Object.entries(options.metadata ?? metadata())
  const infos: Buffer[] = []
  const parts: Buffer[] = []
  let offset = 0
  const add = (name: string, shape: number[], stored: Type, bytes: Buffer): void => {
    infos.push(
      Buffer.concat([
        string(name),
        u32(shape.length),
        ...[...shape].reverse().map(u64),
        u32(TYPE_NUMBER[stored]),
        u64(offset),
      ])
    )
    const padded = Buffer.concat([bytes, Buffer.alloc((32 - (bytes.length % 32)) % 32)])
    parts.push(padded)
    offset += padded.length
  }
  for (const [name, source] of NAMES) {
    if (name === options.drop) continue
    let values = original.weights.float32(source)
    const norm = name.includes('norm')
    const columns = name.includes('ffn_down') ? 96 : 64
    if (name.includes('attn_q.')) values = interleave(values, 4, 64)
    if (name.includes('attn_k.')) values = interleave(values, 2, 64)
    const stored = norm ? 'F32' : type
    add(
      name,
      norm ? [64] : [values.length / columns, columns],
      stored,
      encodeTensor(stored, values)
    )
  }
  if (options.extra) add(options.extra, [8], 'F32', Buffer.alloc(32))
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(3),
    u64(infos.length),
    u64(entries.length),
    ...entries.map(([key, value]) => entry(key, value)),
    ...infos,
  ])
  writeFileSync(path, Buffer.concat([head, Buffer.alloc((32 - (head.length % 32)) % 32), ...parts]))
}

const writeAndLoad = async (
  name: string,
  type: Type,
  options?: GgufOptions
): Promise<LoadedModel> => {
  const path = join(root, `${name}.gguf`)
  writeGguf(path, type, options)
  return loadModel(path)
}

describe('a GGUF file', () => {
  // the largest error: half a step, a step being the block's range (some 0.5) over its levels
  it.each<[Type, number]>([
    ['F32', 0],
    ['F16', 2e-4],
    ['Q8_0', 2e-3],
    ['Q4_1', 0.02],
    ['Q4_0', 0.03],
  ])('of %s has the weights in the order of the Hugging Face model', async (type, tolerance) => {
    const model = await writeAndLoad(type, type)
    expect({ ...model.config, rmsNormEps: 1e-5 }).toEqual(original.config)
    expect(model.config.rmsNormEps).toBeCloseTo(1e-5, 9)
    for (const [, name] of NAMES) {
      const [values, exact] = [model.weights.float32(name), original.weights.float32(name)]
      const worst = values.reduce((max, value, i) => Math.max(max, Math.abs(value - exact[i]!)), 0)
      expect(worst, name).toBeLessThanOrEqual(tolerance)
    }
    model.close()
  })

  it('tokenizes and renders as the Hugging Face folder does', async () => {
    const model = await writeAndLoad('chat', 'Q8_0')
    const messages = [{ role: 'user', content: 'Isn’t the ütf in 3 <|im_end|> 🙂?' }]
    for (const defaultSystem of [true, false]) {
      const options = { addGenerationPrompt: true, defaultSystem }
      expect(model.chat.render(messages, options)).toEqual(original.chat.render(messages, options))
    }
    expect(model.tokenizer.eosIds).toEqual([2])
    expect(model.chat.templateHash).toBe(original.chat.templateHash)
    model.close()
  })

  it('cut short anywhere is refused', async () => {
    const path = join(root, 'cut.gguf')
    writeGguf(path, 'Q4_1')
    const bytes = readFileSync(path)
    for (const length of [0, 3, 20, 400, 6000, bytes.length - 50_000, bytes.length - 40]) {
      writeFileSync(path, bytes.subarray(0, length))
      await expect(loadModel(path), `${length} bytes`).rejects.toMatchObject({
        code: 'invalid-model',
      })
    }
    await expect(loadModel(path)).rejects.toThrow(/ends inside tensor .*incomplete/)
  })

  it.each<[string, GgufOptions, RegExp]>([
    [
      'another architecture',
      { metadata: { 'general.architecture': 'gemma' } },
      /architecture is "gemma"/,
    ],
    [
      'a missing tensor',
      { drop: 'blk.1.ffn_up.weight' },
      /no tensor model\.layers\.1\.mlp\.up_proj\.weight/,
    ],
    ['factors of rope scaling', { extra: 'rope_freqs.weight' }, /rope_freqs\.weight/],
    ['biases', { extra: 'blk.0.attn_q.bias' }, /attn_q\.bias/],
  ])('with %s is refused by name', async (name, options, message) => {
    const merged = options.metadata
      ? { ...options, metadata: { ...metadata(), ...options.metadata } }
      : options
    await expect(writeAndLoad(name.replaceAll(' ', '-'), 'Q8_0', merged)).rejects.toMatchObject({
      code: 'invalid-model',
      message: expect.stringMatching(message) as string,
    })
  })

  it.each(['tokenizer.ggml.tokens', 'tokenizer.chat_template', 'llama.block_count'])(
    'without %s is refused by name',
    async (key) => {
      const { [key]: _, ...rest } = metadata()
      await expect(writeAndLoad(key, 'Q8_0', { metadata: rest })).rejects.toMatchObject({
        code: 'invalid-model',
        message: expect.stringContaining(
          key === 'tokenizer.chat_template' ? 'chat template' : key
        ) as string,
      })
    }
  )

  it('with an unknown pre-tokenizer is refused by name', async () => {
    const other = { ...metadata(), 'tokenizer.ggml.pre': 'exotic' }
    await expect(writeAndLoad('pre', 'Q8_0', { metadata: other })).rejects.toThrow(
      /"exotic" is not supported/
    )
  })
})

describe('a SentencePiece vocabulary in GGUF', () => {
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
  )
  const pieces = [
    '<unk>',
    '<s>',
    '</s>',
    ...bytes,
    '▁',
    'h',
    'e',
    'l',
    'o',
    'he',
    'll',
    '▁he',
    'llo',
    '▁hello',
  ]
  const tokenizer = createTextTokenizer(
    ggufTokenizerJson({
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.tokens': pieces,
      'tokenizer.ggml.scores': pieces.map((_, id) => -id),
      'tokenizer.ggml.token_type': pieces.map((_, id) => (id < 3 ? 3 : 1)),
    }),
    [],
    [2]
  )
  const names = (text: string, continues = false): string[] =>
    tokenizer.encode(text, { special: true, continues }).map((id) => pieces[id]!)

  it('merges by score, falls back to bytes and prefixes a space once', () => {
    expect(names('hello')).toEqual(['▁hello'])
    expect(names('hello hello')).toEqual(['▁hello', '▁hello'])
    expect(names('hello', true)).toEqual(['he', 'llo'])
    expect(names('</s>hé')).toEqual(['</s>', '▁', 'h', '<0xC3>', '<0xA9>'])
  })

  it('gives back texts', () => {
    for (const sample of ['hello', ' hello', 'ö  x', '日本 hello'])
      expect(tokenizer.decode(tokenizer.encode(sample, { special: false }))).toBe(sample)
  })
})
