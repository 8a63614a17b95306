/** Trains a field head as the embedded engine does, and judges it as the gate does. */
import { join } from 'node:path'
import { openFieldEncoder } from '../../adapters/onnx/encoder/fields/field-encoder.ts'
import { FieldHeads } from '../../adapters/onnx/field-heads/field-heads.ts'
import { trainFieldHead } from '../../adapters/onnx/field-heads/train-field-head.ts'
import { requestSources } from '../../src/core/answer/request-sources.ts'
import { fieldAnswer, type FieldAnswer } from '../../adapters/onnx/field-heads/field-answer.ts'
import { agree, NO_FOLDS } from '../../src/core/answer/agreement.ts'
import type { FormRow } from '../../src/core/form/read-targets.ts'
import { decide, levelOfTry, type Verdict } from '../../src/core/gate/gate.ts'
import { validationCount } from '../../src/core/internalization/internalization.ts'
import { PROMISE } from '../../src/core/proof/verify-promise.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import { heldOutRow } from '../../test/kit/records/held-out-row.ts'

export interface Trained {
  heads: FieldHeads
  id: string
  /** of both trainings and the search for the form: by the wall, and of all processors */
  seconds: number
  cpuSeconds: number
}

export interface JudgedRows {
  /** share of all rows whose whole answer is the logged one */
  right: number
  verdict: Verdict
}

const messagesOf = ({ sources }: FormRow): TrainingRow['messages'] => [
  { role: 'user', content: sources.map(({ text }) => text).join('\n') },
]

const trainingRow = (row: FormRow): TrainingRow => ({
  messages: [...messagesOf(row), { role: 'assistant', content: row.answer }],
})

/** The newest rows validate, as in a plan. */
export const trainOn = async (
  rows: readonly FormRow[],
  { encoder: path, folder, threads }: { encoder: string; folder: string; threads: number },
  onProgress: (done: number, total: number) => void
): Promise<Trained> => {
  const [startedAt, cpuAtStart] = [performance.now(), process.cpuUsage()]
  const all = rows.map(trainingRow)
  const learned = all.length - validationCount(all.length)
  const encoder = openFieldEncoder(path)
  const headsDir = join(folder, 'heads')
  const heads = await FieldHeads.open({
    folder: headsDir,
    openEncoder: () => encoder,
    threads,
    log: (_level, message) => console.error(message),
  })
  const task = {
    rows: all.slice(0, learned),
    validationRows: all.slice(learned),
    seed: 1,
    suffix: null,
    metadata: {},
    checkpointDir: join(folder, 'checkpoints'),
  }
  const hooks = {
    onProgress: ({ step, total_steps: total }: { step: number; total_steps: number }) =>
      onProgress(step, total),
    onMessage: () => undefined,
    signal: new AbortController().signal,
  }
  const { model: id } = await trainFieldHead(task, hooks, { encoder, headsDir, threads })
  await heads.add(id)
  const { user, system } = process.cpuUsage(cpuAtStart)
  const seconds = (performance.now() - startedAt) / 1000
  return { heads, id, seconds, cpuSeconds: (user + system) / 1e6 }
}

export const answersOf = (
  { heads, id }: Trained,
  rows: readonly FormRow[]
): Promise<FieldAnswer[]> =>
  heads.use(id, async (head) => {
    const sources = rows.map((row) => requestSources(messagesOf(row), head.slots))
    const scores = await head.model.scores(sources)
    return sources.map((own, at) => fieldAnswer(head, own, scores[at]!))
  })

/** @param rows that training has not seen */
export const judgeOn = async (trained: Trained, rows: readonly FormRow[]): Promise<JudgedRows> => {
  const answers = await answersOf(trained, rows)
  const isJson = rows[0]!.answer.includes('{')
  const responseType = isJson ? 'json' : 'short-text'
  const judged = answers.map(({ text, logprob }, at) =>
    heldOutRow(at, {
      agrees: agree({ responseType, folds: NO_FOLDS }, text, rows[at]!.answer),
      logprobSum: logprob,
      logprobMin: logprob,
    })
  )
  const verdict = decide({
    arms: [{ arm: 'field-head', statistic: 'sum', rows: judged }],
    responseType,
    margin: PROMISE.margin,
    alpha: levelOfTry(0),
    burstMs: 0,
  })
  return { right: judged.filter(({ agrees }) => agrees).length / judged.length, verdict }
}
