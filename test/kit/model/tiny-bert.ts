/**
 * A tiny sentence encoder of the BERT family with random weights: writes it as a folder of
 * sentence-transformers, and computes embeddings slowly in plain TypeScript, as the papers have them.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../../../src/random.ts'

export interface TinyBertOptions {
  seed: number
  pooling?: 'mean' | 'cls'
  normalize?: boolean
  /** before the names of all tensors */
  prefix?: string
  maxTokens?: number
  /** rows of the embedding matrix; default: one for each word of TINY_VOCABULARY */
  vocabulary?: number
}

interface Tensor {
  dims: number[]
  data: Float32Array
}

export const TINY_VOCABULARY = (
  '[PAD] [UNK] [CLS] [SEP] [MASK] my card is lost where money transfer ##ed ##s pin cafe ' +
  "卡 在 哪 ? ! . , ' a b the exchange rate new"
).split(' ')
const HIDDEN = 64
const HEADS = 4
const INNER = 96
const LAYERS = 2
const POSITIONS = 40
const EPSILON = 1e-12

const normShapes = (name: string): [string, number[]][] => [
  [`${name}.weight`, [HIDDEN]],
  [`${name}.bias`, [HIDDEN]],
]
const linearShapes = (name: string, out: number, inputs: number): [string, number[]][] => [
  [`${name}.weight`, [out, inputs]],
  [`${name}.bias`, [out]],
]

const shapes = (vocabulary: number): [name: string, dims: number[]][] => {
  const layer = (at: number): [string, number[]][] => {
    const of = (part: string) => `encoder.layer.${at}.${part}`
    return [
      ...linearShapes(of('attention.self.query'), HIDDEN, HIDDEN),
      ...linearShapes(of('attention.self.key'), HIDDEN, HIDDEN),
      ...linearShapes(of('attention.self.value'), HIDDEN, HIDDEN),
      ...linearShapes(of('attention.output.dense'), HIDDEN, HIDDEN),
      ...normShapes(of('attention.output.LayerNorm')),
      ...linearShapes(of('intermediate.dense'), INNER, HIDDEN),
      ...linearShapes(of('output.dense'), HIDDEN, INNER),
      ...normShapes(of('output.LayerNorm')),
    ]
  }
  return [
    ['embeddings.word_embeddings.weight', [vocabulary, HIDDEN]],
    ['embeddings.position_embeddings.weight', [POSITIONS, HIDDEN]],
    ['embeddings.token_type_embeddings.weight', [2, HIDDEN]],
    ...normShapes('embeddings.LayerNorm'),
    ...Array.from({ length: LAYERS }, (_, at) => layer(at)).flat(),
  ]
}

const makeTensors = ({
  seed,
  vocabulary = TINY_VOCABULARY.length,
}: TinyBertOptions): Map<string, Tensor> => {
  const random = seededRandom(seed)
  return new Map(
    shapes(vocabulary).map(([name, dims]) => {
      const size = dims.reduce((product, dim) => product * dim, 1)
      const centre = name.includes('LayerNorm.weight') ? 1 : 0
      // large enough that attention and the activation are far from linear
      const spread = dims.length === 1 ? 0.3 : 3 / Math.sqrt(dims[1]!)
      const data = Float32Array.from({ length: size }, () => centre + spread * (2 * random() - 1))
      return [name, { dims, data }]
    })
  )
}

/** The bytes of a safetensors file. */
const safetensors = (tensors: Map<string, Tensor>, prefix: string): Buffer => {
  const header: Record<string, unknown> = {}
  let offset = 0
  for (const [name, { dims, data }] of tensors) {
    const data_offsets = [offset, offset + data.byteLength]
    header[prefix + name] = { dtype: 'F32', shape: dims, data_offsets }
    offset += data.byteLength
  }
  // older files have this tensor, in a type that is not read
  header[`${prefix}embeddings.position_ids`] = {
    dtype: 'I64',
    shape: [1, 1],
    data_offsets: [offset, offset + 8],
  }
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const parts = [...tensors.values()].map(({ data }) => Buffer.from(data.buffer))
  return Buffer.concat([length, json, ...parts, Buffer.alloc(8)])
}

type Matrix = number[][]

const dot = (a: number[], b: number[]) => a.reduce((sum, value, at) => sum + value * b[at]!, 0)

/** Abramowitz and Stegun 7.1.26 is too coarse; the series converges for the small numbers here. */
const erf = (x: number): number => {
  let sum = 0
  let term = x
  for (let n = 0; n < 200; n++) {
    sum += term / (2 * n + 1)
    term *= (-x * x) / (n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}

const gelu = (x: number): number => {
  // beyond, the series loses its digits and the error function is 1
  const tail = Math.abs(x) > 5 ? Math.sign(x) : erf(x / Math.SQRT2)
  return 0.5 * x * (1 + tail)
}

const softmax = (scores: number[]): number[] => {
  const highest = Math.max(...scores)
  const shares = scores.map((score) => Math.exp(score - highest))
  const total = shares.reduce((sum, share) => sum + share, 0)
  return shares.map((share) => share / total)
}

class PlainBert {
  constructor(private readonly tensors: Map<string, Tensor>) {}

  row(name: string, at: number): number[] {
    const { dims, data } = this.tensors.get(name)!
    const width = dims[1] ?? dims[0]!
    return [...data.subarray(at * width, (at + 1) * width)]
  }

  linear(x: Matrix, name: string): Matrix {
    const out = this.tensors.get(`${name}.bias`)!.data
    return x.map((vector) =>
      Array.from(out, (bias, at) => bias + dot(this.row(`${name}.weight`, at), vector))
    )
  }

  norm(x: Matrix, name: string): Matrix {
    const weight = this.row(`${name}.weight`, 0)
    const bias = this.row(`${name}.bias`, 0)
    return x.map((vector) => {
      const mean = vector.reduce((sum, value) => sum + value, 0) / vector.length
      const variance = vector.reduce((sum, value) => sum + (value - mean) ** 2, 0) / vector.length
      return vector.map(
        (value, at) => ((value - mean) / Math.sqrt(variance + EPSILON)) * weight[at]! + bias[at]!
      )
    })
  }

  attention(x: Matrix, layer: string): Matrix {
    const [query, key, value] = ['query', 'key', 'value'].map((part) =>
      this.linear(x, `${layer}.attention.self.${part}`)
    ) as [Matrix, Matrix, Matrix]
    const size = HIDDEN / HEADS
    return x.map((_, at) =>
      Array.from({ length: HEADS }, (__, head) => {
        const part = (vector: number[]) => vector.slice(head * size, (head + 1) * size)
        const own = part(query[at]!)
        const shares = softmax(key.map((other) => dot(own, part(other)) / Math.sqrt(size)))
        return Array.from({ length: size }, (___, k) =>
          shares.reduce((sum, share, other) => sum + share * part(value[other]!)[k]!, 0)
        )
      }).flat()
    )
  }

  /** Token vectors, `[tokens, hidden]`. */
  forward(ids: number[]): Matrix {
    const plus = (a: Matrix, b: Matrix) =>
      a.map((row, r) => row.map((value, c) => value + b[r]![c]!))
    const embedded = ids.map((id, position) => {
      const parts = [
        this.row('embeddings.word_embeddings.weight', id),
        this.row('embeddings.position_embeddings.weight', position),
        this.row('embeddings.token_type_embeddings.weight', 0),
      ]
      return parts[0]!.map((_, k) => parts.reduce((sum, part) => sum + part[k]!, 0))
    })
    let x = this.norm(embedded, 'embeddings.LayerNorm')
    for (let at = 0; at < LAYERS; at++) {
      const layer = `encoder.layer.${at}`
      const attended = this.linear(this.attention(x, layer), `${layer}.attention.output.dense`)
      x = this.norm(plus(attended, x), `${layer}.attention.output.LayerNorm`)
      const inner = this.linear(x, `${layer}.intermediate.dense`).map((row) => row.map(gelu))
      x = this.norm(
        plus(this.linear(inner, `${layer}.output.dense`), x),
        `${layer}.output.LayerNorm`
      )
    }
    return x
  }
}

/** The embedding of token ids, in float64. */
export const plainEmbedding = (options: TinyBertOptions, ids: number[]): number[] => {
  const { pooling = 'mean', normalize = true } = options
  const tokens = new PlainBert(makeTensors(options)).forward(ids)
  const pooled =
    pooling === 'cls'
      ? tokens[0]!
      : tokens[0]!.map((_, k) => tokens.reduce((sum, row) => sum + row[k]!, 0) / tokens.length)
  const length = normalize ? Math.sqrt(dot(pooled, pooled)) : 1
  return pooled.map((value) => value / length)
}

/** Creates `folder` with config.json, modules.json, the pooling's, vocab.txt and model.safetensors. */
export const writeTinyBert = (folder: string, options: TinyBertOptions): void => {
  const { pooling = 'mean', normalize = true, prefix = '', maxTokens = 16 } = options
  mkdirSync(join(folder, '1_Pooling'), { recursive: true })
  const write = (name: string, value: unknown): void =>
    writeFileSync(join(folder, name), JSON.stringify(value))
  write('config.json', {
    architectures: ['BertModel'],
    model_type: 'bert',
    hidden_act: 'gelu',
    vocab_size: options.vocabulary ?? TINY_VOCABULARY.length,
    hidden_size: HIDDEN,
    num_hidden_layers: LAYERS,
    num_attention_heads: HEADS,
    intermediate_size: INNER,
    layer_norm_eps: EPSILON,
    max_position_embeddings: POSITIONS,
    type_vocab_size: 2,
  })
  const modules = ['Transformer', 'Pooling', ...(normalize ? ['Normalize'] : [])]
  write(
    'modules.json',
    modules.map((name, idx) => ({
      idx,
      name: String(idx),
      path: idx === 0 ? '' : `${idx}_${name}`,
      type: `sentence_transformers.models.${name}`,
    }))
  )
  write('1_Pooling/config.json', {
    word_embedding_dimension: HIDDEN,
    pooling_mode_cls_token: pooling === 'cls',
    pooling_mode_mean_tokens: pooling === 'mean',
    pooling_mode_max_tokens: false,
  })
  write('sentence_bert_config.json', { max_seq_length: maxTokens, do_lower_case: false })
  write('tokenizer_config.json', { tokenizer_class: 'BertTokenizer', do_lower_case: true })
  writeFileSync(join(folder, 'vocab.txt'), `${TINY_VOCABULARY.join('\n')}\n`)
  writeFileSync(join(folder, 'model.safetensors'), safetensors(makeTensors(options), prefix))
}
