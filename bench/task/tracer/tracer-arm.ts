/** `--arms tracer`: opens the log of a finished run and the encoder, and compares. */
import { availableParallelism } from 'node:os'
import { openEncoder } from '../../../adapters/onnx/encoder/sentence-encoder.ts'
import { knownLabels } from '../../../src/core/answer/response-type.ts'
import type { Internalization } from '../../../src/core/lifecycle/internalization.ts'
import type { Template } from '../../../src/core/template/template.ts'
import { openSqliteStore } from '../../../src/store/thread/open.ts'
import { matching } from '../../harness/adapted.ts'
import type { Figure } from '../../report.ts'
import type { AskedRows } from '../arms.ts'
import { tracerFigures } from './compare.ts'
import { readTracerRows } from './read-rows.ts'

/**
 * @param answers of the training rows
 * @throws Error that names the option, when TRACER cannot run on a task
 */
export const checkTracer = (encoder: string | undefined, answers: string[]): void => {
  if (encoder === undefined) throw new Error('--arms tracer needs --encoder: it reads embeddings')
  if (knownLabels(answers) === null)
    throw new Error(
      `--arms tracer needs a task with labels: the ${answers.length} training answers are no closed set`
    )
}

export interface TracerRun {
  /** of the proxy, which has ended */
  dataDir: string
  encoderPath: string
  internalization: Internalization
  template: Template
  /** fresh rows */
  test: AskedRows
}

/** @returns no figures without a verdict, whose settings the gate takes */
export const runTracer = async (run: TracerRun): Promise<Record<string, Figure>> => {
  const { dataDir, encoderPath, template, test } = run
  const { plan, verdict } = run.internalization
  if (plan === null || verdict === null) return {}
  const store = await openSqliteStore({ dataDir })
  const encoder = await openEncoder(encoderPath, { threads: availableParallelism() })
  try {
    const match = matching(template)
    const rows = await readTracerRows({ store, encoder, plan, template, match, test })
    return tracerFigures(rows, plan, verdict)
  } finally {
    await encoder.close()
    await store.close()
  }
}
