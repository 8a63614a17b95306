/** What makes features of texts for a scan's heads. */
import { HASHED_DIMS, hashedFeatures } from '../../core/learn/hashed-features.ts'
import type { Encoder } from '../../core/scan/head.ts'

export interface OpenScanEncoder extends Encoder {
  close(): Promise<void>
}

/** Needs no model, and knows no words that mean the same: a sentence encoder mostly covers more. */
const HASHED: OpenScanEncoder = {
  name: 'hashed words and characters (no sentence encoder, which mostly covers more)',
  dims: HASHED_DIMS,
  encode: async (texts) => hashedFeatures(texts),
  close: async () => {},
}

/**
 * @param folder of a sentence encoder; null: hashed features
 * @throws AppError `invalid-model` when the encoder cannot be loaded
 */
export const openScanEncoder = async (
  folder: string | null,
  threads: number
): Promise<OpenScanEncoder> => {
  if (folder === null) return HASHED
  const { openEncoder } = await import('../../../adapters/onnx/encoder/sentence-encoder.ts')
  const encoder = await openEncoder(folder, { threads })
  let [texts, longer] = [0, 0]
  return {
    // after the heads were tried it is known what was not read
    get name() {
      const name = `the sentence encoder ${encoder.id}`
      return longer === 0
        ? name
        : `${name}, which reads ${encoder.maxTokens} tokens of a request: ${longer} of ${texts} are longer`
    },
    dims: encoder.dims,
    encode: async (all) => {
      const { vectors, cut } = await encoder.encode(all)
      texts += all.length
      longer += cut
      return vectors
    },
    close: () => encoder.close(),
  }
}
