/** The embeddings of texts for a scan's heads. */
import type { Encoder } from '../../core/scan/head.ts'
import type { FieldEncoder } from '../../../adapters/onnx/encoder/fields/field-encoder.ts'
import { reasonOf, type Reason } from '../../core/reason.ts'
import type { FieldTask, FilledForms, FillForm } from '../../core/scan/field-head.ts'

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

/** Of one template. */
const MOST_SECONDS = 60
/** Of all templates of a scan. */
const ALL_SECONDS = 120
/** With less time left a form is not tried. */
const LEAST_SECONDS = 20

export interface FieldTrials {
  fillForm: FillForm
  close(): void
}

/** @param folder of the encoder, which is opened for the first form */
export const fieldTrials = (folder: string, threads: number): FieldTrials => {
  let encoder: FieldEncoder | null = null
  let left = ALL_SECONDS
  const fill = async (task: FieldTask): Promise<FilledForms | { refused: Reason }> => {
    const [{ openFieldEncoder }, { fillForm }] = await Promise.all([
      import('../../../adapters/onnx/encoder/fields/field-encoder.ts'),
      import('../../../adapters/onnx/field-heads/fill-form.ts'),
    ])
    encoder ??= openFieldEncoder(folder)
    const seconds = Math.min(MOST_SECONDS, left)
    const { answers, rows, rowsPerSecond, isCut } = await fillForm(encoder, {
      ...task,
      seconds,
      threads,
    })
    return answers === null
      ? { refused: reasonOf('field-head-untried', { seconds, rowsPerSecond }) }
      : { answers, rows, isCut }
  }
  return {
    fillForm: async (task) => {
      if (left < LEAST_SECONDS)
        return {
          refused: reasonOf('field-head-untried', { seconds: ALL_SECONDS, rowsPerSecond: null }),
        }
      const startedAt = performance.now()
      try {
        return await fill(task)
      } finally {
        left -= (performance.now() - startedAt) / 1000
      }
    },
    close: () => encoder?.close(),
  }
}
