/** An encoder as field models use it: its frozen part, once for all of them, and its weights to start from. */
import type { WeightSource } from '../../../model/llama-config.ts'
import type { EncoderConfig } from '../encoder-config.ts'
import { readEmbeddings, type TokenEmbeddings } from './field-batch.ts'
import { createFieldTokenizer, type FieldTokenizer } from './field-tokens.ts'
import { loadEncoder } from '../load-encoder.ts'

export interface FieldEncoder {
  name: string
  /** of the weights as they are in the file */
  fingerprint: string
  config: EncoderConfig
  tokenizer: FieldTokenizer
  embeddings: TokenEmbeddings
  /** of the layers, from which training starts */
  weights: WeightSource
  /** Closes the files; `weights` must not be used afterwards. */
  close(): void
}

/**
 * @param folder as `loadEncoder` takes it
 * @throws AppError `invalid-model`
 */
export const openFieldEncoder = (folder: string): FieldEncoder => {
  const { config, tokenizer, weights, name, fingerprint, close } = loadEncoder(folder, 'float32')
  try {
    return {
      name,
      fingerprint,
      config,
      tokenizer: createFieldTokenizer(tokenizer, config.maxTokens),
      embeddings: readEmbeddings(weights, config),
      weights,
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}
