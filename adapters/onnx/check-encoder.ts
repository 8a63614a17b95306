/** Checks that the embedded engine can run a sentence encoder: loads it and encodes two texts. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../src/errors.ts'
import { loadEncoder } from './encoder/load-encoder.ts'
import { openEncoder } from './encoder/sentence-encoder.ts'
import { readOptionalJson } from '../model/folder-files.ts'

export interface EncoderCheck {
  name: string
  parameters: number
  layers: number
  hiddenSize: number
  /** a longer text is cut */
  contextTokens: number
  vocabulary: number
  pooling: string
  /** by which heads know their encoder */
  fingerprint: string
  /** cosine similarity of two questions after the same thing, and of one of them and another */
  similarity: { alike: number; unlike: number }
}

const TEXTS = ['Where is my card?', 'My card has not arrived.', 'What is the exchange rate?']

/** Whether a path is meant as an encoder, also when its files are not complete. */
export const isEncoderFolder = (path: string): boolean =>
  existsSync(join(path, 'modules.json')) ||
  readOptionalJson(join(path, 'config.json')).model_type === 'bert'

const cosine = (a: Float32Array, b: Float32Array): number => {
  let product = 0
  for (const [k, value] of a.entries()) product += value * b[k]!
  return product / (Math.hypot(...a) * Math.hypot(...b))
}

/**
 * @param path a Hugging Face folder
 * @throws AppError `invalid-model` with the missing or wrong part
 */
export const checkEncoder = async (path: string): Promise<EncoderCheck> => {
  const { config, close } = loadEncoder(path, 'auto')
  close()
  const encoder = await openEncoder(path, { threads: 1 })
  try {
    const { vectors } = await encoder.encode(TEXTS)
    const [first, alike, unlike] = TEXTS.map((_, at) =>
      vectors.subarray(at * encoder.dims, (at + 1) * encoder.dims)
    )
    if (vectors.some((value) => !Number.isFinite(value)))
      throw new AppError(
        'invalid-model',
        `${encoder.id} gives embeddings that are not numbers: its weights are damaged, so download it again`
      )
    return {
      name: encoder.id,
      parameters: encoder.parameters,
      layers: config.layers,
      hiddenSize: config.hiddenSize,
      contextTokens: encoder.maxTokens,
      vocabulary: config.vocabSize,
      pooling: config.pooling,
      fingerprint: encoder.fingerprint,
      similarity: { alike: cosine(first!, alike!), unlike: cosine(first!, unlike!) },
    }
  } finally {
    await encoder.close()
  }
}
