/**
 * Where each tensor of a field model lies in one flat vector, theta: the optimizer and the file see the
 * vector, the graphs see the tensors. The embeddings of words, positions and types are not in it: they
 * stay the encoder's. Pure.
 */
import type { FormSizes } from '../../../../src/core/form/targets.ts'
import { type WeightSource, elements, type ModelTensor } from '../../../model/llama-config.ts'
import { encoderTensors, type EncoderConfig } from '../encoder-config.ts'

export interface FieldEntry extends ModelTensor {
  /** in elements of the flat vector */
  offset: number
  length: number
}

export interface FieldLayout {
  sizes: FormSizes
  entries: FieldEntry[]
  /** from here on: biases and layer norms, which are not decayed */
  vectorsFrom: number
  /** from here on: heads */
  headsFrom: number
  /** elements of the flat vector */
  length: number
}

export const TAG_HEAD = 'heads.tags'
export const CHOICE_HEAD = 'heads.choices'

/** Query, key and value of a layer as one matrix, `[3·hidden, hidden]`, by its prefix. */
export const QKV = 'attention.self.qkv'
const PARTS = ['query', 'key', 'value']
const OF_PART = /attention\.self\.(query|key|value)/

export const tagClasses = ({ fields }: FormSizes): number => 1 + 2 * fields

export const choiceClasses = ({ choices }: FormSizes): number =>
  choices.reduce((sum, classes) => sum + classes, 0)

const isEmbedding = (name: string): boolean => name.endsWith('embeddings.weight')

/** The layers' tensors, with query, key and value as one. */
const layerTensors = (config: EncoderConfig): ModelTensor[] =>
  encoderTensors(config)
    .filter(({ name }) => !isEmbedding(name))
    .flatMap(({ name, dims: [first, ...rest] }) => {
      const part = OF_PART.exec(name)?.[1]
      if (part === undefined) return [{ name, dims: [first!, ...rest] }]
      if (part !== PARTS[0]) return []
      return [{ name: name.replace(OF_PART, QKV), dims: [PARTS.length * first!, ...rest] }]
    })

const headTensors = (hidden: number, sizes: FormSizes): ModelTensor[] =>
  [
    { name: TAG_HEAD, classes: tagClasses(sizes) },
    { name: CHOICE_HEAD, classes: choiceClasses(sizes) },
  ]
    .filter(({ classes }) => classes > 0)
    .flatMap(({ name, classes }) => [
      { name: `${name}.weight`, dims: [classes, hidden] },
      { name: `${name}.bias`, dims: [classes] },
    ])

/** Matrices of all layers, then their biases and norms, then the heads. */
export const createFieldLayout = (config: EncoderConfig, sizes: FormSizes): FieldLayout => {
  const entries: FieldEntry[] = []
  let length = 0
  const add = (tensors: ModelTensor[]): number => {
    const start = length
    for (const { name, dims } of tensors) {
      const size = elements(dims)
      entries.push({ name, dims, offset: length, length: size })
      length += size
    }
    return start
  }
  const layers = layerTensors(config)
  add(layers.filter(({ dims }) => dims.length > 1))
  const vectorsFrom = add(layers.filter(({ dims }) => dims.length === 1))
  const headsFrom = add(headTensors(config.hiddenSize, sizes))
  return { sizes, entries, vectorsFrom, headsFrom, length }
}

/** Standard deviation of a new head's weights, as in BERT (Devlin et al. 2019, their released code). */
const HEAD_DEVIATION = 0.02

/** Box and Muller 1958. */
const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/** The encoder's own weights, with heads of zeros. */
export const encoderTheta = (
  { entries, headsFrom, length }: FieldLayout,
  weights: WeightSource
): Float32Array => {
  const theta = new Float32Array(length)
  for (const { name, offset, length: size } of entries) {
    if (offset >= headsFrom) break
    if (!name.includes(QKV)) {
      theta.set(weights.float32(name), offset)
      continue
    }
    for (const [at, part] of PARTS.entries())
      theta.set(
        weights.float32(name.replace(QKV, `attention.self.${part}`)),
        offset + (at * size) / PARTS.length
      )
  }
  return theta
}

/**
 * The encoder's own weights and random heads.
 * @param random uniform in [0, 1)
 */
export const initTheta = (
  layout: FieldLayout,
  weights: WeightSource,
  random: () => number
): Float32Array => {
  const theta = encoderTheta(layout, weights)
  for (const { dims, offset, length } of layout.entries)
    if (offset >= layout.headsFrom && dims.length > 1)
      for (let i = offset; i < offset + length; i++) theta[i] = HEAD_DEVIATION * normal(random)
  return theta
}

/** The tensors of a theta by the encoder's names, as the serving graph asks for them. */
export const thetaWeights = ({ entries }: FieldLayout, theta: Float32Array): WeightSource => {
  const byName = new Map(entries.map((entry) => [entry.name, entry]))
  return {
    float32: (name) => {
      const part = OF_PART.exec(name)?.[1]
      const { offset, length } = byName.get(name.replace(OF_PART, QKV))!
      if (part === undefined) return theta.slice(offset, offset + length)
      const size = length / PARTS.length
      const start = offset + PARTS.indexOf(part) * size
      return theta.slice(start, start + size)
    },
  }
}
