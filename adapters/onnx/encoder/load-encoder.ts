/** Loads a sentence encoder of the BERT family from a Hugging Face folder. */
import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { AppError } from '../../../src/errors.ts'
import { type WeightSource, elements } from '../../model/llama-config.ts'
import { openWeights } from '../../model/folder-files.ts'
import { createWeightSource, hashTensors, type StoredTensor } from '../../model/weight-file.ts'
import { BLOCK, quantize } from '../../model/quantize.ts'
import { encoderTensors, readEncoderConfig, type EncoderConfig } from './encoder-config.ts'
import { readEncoderTokenizer, type EncoderTokenizer } from './encoder-tokenizer.ts'

/** Of matrices: 8 bits in blocks of 32, or as in the file. docs/decisions.md#label-head */
export type EncoderPrecision = 'q8' | 'float32'

export interface LoadedEncoder {
  config: EncoderConfig
  weights: WeightSource
  tokenizer: EncoderTokenizer
  /** the folder's name */
  name: string
  parameters: number
  /** of configuration, vocabulary, tensors (a sample of each) and precision */
  fingerprint: string
  /** Closes the files; `weights` must not be used afterwards. */
  close(): void
}

/** Prefixes of classes that contain a BertModel. */
const PREFIX = /^(bert|model|0\.auto_model)\./

const withoutPrefix = (tensors: Map<string, StoredTensor>): Map<string, StoredTensor> =>
  new Map([...tensors].map(([name, tensor]) => [name.replace(PREFIX, ''), tensor]))

const isMatrix = (name: string): boolean =>
  name === 'embeddings.word_embeddings.weight' || /(query|key|value|dense)\.weight$/.test(name)

/** Blocks of 8 bits need inputs in multiples of their size. */
export const precisionFor = ({ hiddenSize, intermediateSize }: EncoderConfig): EncoderPrecision =>
  [hiddenSize, intermediateSize].every((inputs) => inputs % BLOCK === 0) ? 'q8' : 'float32'

/** The same weights with their matrices in blocks of 8 bits. */
export const inEightBits = (stored: WeightSource): WeightSource => ({
  float32: stored.float32,
  quantized: (name) => (isMatrix(name) ? quantize(stored.float32(name), 8) : null),
})

const fingerprintOf = (
  config: EncoderConfig,
  tokenizer: EncoderTokenizer,
  tensors: Map<string, StoredTensor>,
  precision: EncoderPrecision
): string => {
  const hash = createHash('sha256')
  hash.update(`${precision}\n`)
  hash.update(JSON.stringify(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1))))
  hash.update(tokenizer.identity)
  hashTensors(
    hash,
    encoderTensors(config).map(({ name }) => name),
    tensors
  )
  return `fp_${hash.digest('hex').slice(0, 20)}`
}

/**
 * @param folder config.json, modules.json, 1_Pooling/config.json, tokenizer.json or vocab.txt, and
 * model.safetensors (F32, F16, BF16)
 * @param wanted `auto` is `q8` where the matrices' widths allow it
 * @throws AppError `invalid-model` with the file at fault and what helps
 */
export const loadEncoder = (folder: string, wanted: EncoderPrecision | 'auto'): LoadedEncoder => {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new AppError(
      'invalid-model',
      `there is no encoder folder at ${folder}; promptintern models pull minilm downloads one`
    )
  const config = readEncoderConfig(folder)
  const precision = wanted === 'auto' ? precisionFor(config) : wanted
  const tokenizer = readEncoderTokenizer(folder, config.vocabSize)
  const opened = openWeights(folder)
  const close = (): void => {
    for (const file of opened.files) file.close()
  }
  try {
    const tensors = withoutPrefix(opened.tensors)
    const expected = encoderTensors(config)
    const stored = createWeightSource(expected, tensors)
    return {
      config,
      weights: precision === 'q8' ? inEightBits(stored) : stored,
      tokenizer,
      name: basename(resolve(folder)),
      parameters: expected.reduce((sum, { dims }) => sum + elements(dims), 0),
      fingerprint: fingerprintOf(config, tokenizer, tensors, precision),
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}
