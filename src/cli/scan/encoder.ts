/** The embeddings of texts for a scan's heads. */
import type { Encoder } from '../../core/scan/head.ts'
import { fieldTrials } from './field-trial.ts'

export interface OpenScanEncoder extends Encoder {
  close(): Promise<void>
}

/** Needs no model, and knows no words that mean the same: a sentence encoder mostly covers more. */
const HASHED: OpenScanEncoder = {
  name: 'hashed words and characters (a sentence encoder usually covers more)',
  dims: 0,
  encode: async () => null,
  encodeNames: async () => null,
  fillForm: null,
  close: async () => {},
}

/**
 * @param folder of a sentence encoder; null: hashed words alone
 * @throws AppError `invalid-model` when the encoder cannot be loaded
 */
export const openScanEncoder = async (
  folder: string | null,
  threads: number
): Promise<OpenScanEncoder> => {
  if (folder === null) return HASHED
  const { openEncoder } = await import('../../../adapters/onnx/encoder/sentence-encoder.ts')
  const encoder = await openEncoder(folder, { threads })
  const fields = fieldTrials(folder, threads)
  let [texts, longer] = [0, 0]
  return {
    // after the heads were tried it is known what was not read
    get name() {
      const name = `the sentence encoder ${encoder.id}, and hashed words`
      return longer === 0
        ? name
        : `${name}; the encoder reads ${encoder.maxTokens} tokens of a request: ${longer} of ${texts} are longer`
    },
    dims: encoder.dims,
    encode: async (all) => {
      const { vectors, cut } = await encoder.encode(all)
      texts += all.length
      longer += cut
      return vectors
    },
    encodeNames: async (names) => (await encoder.encode(names)).vectors,
    fillForm: fields.fillForm,
    close: async () => {
      fields.close()
      await encoder.close()
    },
  }
}
