/** Field heads of a scan: an encoder is fine-tuned for each form, within the scan's time. */
import type { FieldEncoder } from '../../../adapters/onnx/encoder/fields/field-encoder.ts'
import type { FieldTask, FilledForms, FillForm } from '../../core/scan/field-head.ts'

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

const LATE = `the ${ALL_SECONDS} seconds of a scan for field heads went to templates with more requests; an internalization shows what one answers`

/** @param folder of the encoder, which is opened for the first form */
export const fieldTrials = (folder: string, threads: number): FieldTrials => {
  let encoder: FieldEncoder | null = null
  let left = ALL_SECONDS
  const fill = async (task: FieldTask): Promise<FilledForms | { refused: string }> => {
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
      ? {
          refused: `this machine learns ${rowsPerSecond.toFixed(1)} rows a second, too few for an estimate of a field head in ${seconds.toFixed(0)} seconds; an internalization shows what one answers`,
        }
      : { answers, rows, isCut }
  }
  return {
    fillForm: async (task) => {
      if (left < LEAST_SECONDS) return { refused: LATE }
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
