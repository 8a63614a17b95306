/**
 * What decides how much a label head answers: what it reads, and its confidence. Heads are trained on rows of a
 * task and judged on the rows after them, by the gate and in hindsight, window by window.
 * `npm run bench:heads -- --task <folder> --encoder <folder> --out file.json`
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openEncoder } from '../adapters/onnx/encoder/sentence-encoder.ts'
import { createProgress } from '../src/cli/output.ts'
import { decide } from '../src/core/gate/gate.ts'
import { simulatedRow } from './gate/row.ts'
import {
  acceptance,
  mostLikely,
  neighbourhoodOf,
  trainAcceptor,
} from '../src/core/learn/acceptor.ts'
import { crossValidated } from '../src/core/learn/softmax-head.ts'
import {
  textProbabilities,
  trainTextHead,
  validateTextHead,
  type TextRows,
  type TextValidation,
} from '../src/core/learn/text-head.ts'
import { readRows, type TaskRow } from './harness/data.ts'
import { formatFigures, spread, writeReport, type Figure } from './report.ts'

const { values: args } = parseArgs({
  options: {
    task: { type: 'string' },
    encoder: { type: 'string' },
    train: { type: 'string', default: '1500' },
    holdout: { type: 'string', default: '1000' },
    windows: { type: 'string', default: '3' },
    /** rows from one window to the next; default a whole window */
    step: { type: 'string' },
    /** rows before the first window */
    skip: { type: 'string', default: '0' },
    margin: { type: 'string', default: '0.05' },
    out: { type: 'string' },
  },
})

const MARGIN = Number(args.margin)
/** Agreement at which the coverage in hindsight is taken. */
const HINDSIGHT = 0.97

const FEATURES = ['embedding', 'both'] as const
const CONFIDENCES = ['softmax', 'acceptor'] as const

interface Answer {
  agrees: boolean
  /** natural-log probability by the softmax, and by the acceptor */
  softmax: number
  acceptor: number
}

const product = (a: Float32Array, from: number, b: Float32Array, to: number, dims: number) => {
  let sum = 0
  for (let k = 0; k < dims; k++) sum += a[from + k]! * b[to + k]!
  return sum
}

/** A head on embeddings alone, or on hashed words beside them. */
const validated = (
  rows: TextRows & { vectors: Float32Array },
  features: (typeof FEATURES)[number]
): TextValidation => {
  const groups = rows.texts
  if (features === 'both') return validateTextHead(rows, { groups })
  const dims = rows.vectors.length / rows.texts.length
  const embedded = crossValidated({ ...rows, features: rows.vectors, dims, groups })
  return { ...embedded, embedded, hashed: null }
}

interface Window {
  rows: TaskRow[]
  /** of length 1 */
  vectors: Float32Array
  dims: number
}

/** Answers of a head that was trained on the first rows to the others. */
const answersOf = (
  { rows, vectors, dims }: Window,
  train: number,
  features: (typeof FEATURES)[number]
): Answer[] => {
  const texts = rows.map(({ query }) => query)
  const names = [...new Set(rows.slice(0, train).map(({ answer }) => answer))]
  const classOf = new Map(names.map((name, place) => [name, place]))
  const trained = {
    texts: texts.slice(0, train),
    vectors: vectors.subarray(0, train * dims),
    classes: names.length,
    labels: Int32Array.from(rows.slice(0, train), ({ answer }) => classOf.get(answer)!),
  }
  const { labels, classes } = trained
  const validation = validated(trained, features)
  const similarity = (place: number, other: number) =>
    product(vectors, place * dims, vectors, other * dims, dims)
  const acceptor = trainAcceptor({ ...validation, classes, labels, similarity })
  const head = trainTextHead(trained, validation)
  const all = textProbabilities(head, texts.slice(train), vectors.subarray(train * dims))
  return rows.slice(train).map(({ answer: right }, place) => {
    const row = all.subarray(place * classes, (place + 1) * classes)
    const answer = mostLikely(row, 0, classes)
    const near = neighbourhoodOf(labels, (other) => similarity(train + place, other), answer)
    return {
      agrees: names[answer] === right,
      softmax: Math.log(row[answer]!),
      acceptor: Math.log(acceptance(acceptor, row, answer, near)),
    }
  })
}

/** What the gate makes of the answers with one of the confidences. */
const judged = (answers: Answer[], confidence: (typeof CONFIDENCES)[number]) => {
  const rows = answers.map((answer, place) =>
    simulatedRow(place, { agrees: answer.agrees, confidence: answer[confidence] })
  )
  const arm = { arm: 'label-head' as const, statistic: 'sum' as const, rows }
  return decide({ arms: [arm], responseType: 'label', margin: MARGIN, burstMs: 0 }).arms[0]!
}

/**
 * The largest coverage with the agreement, had the threshold been chosen on the same answers; and the mean share
 * of wrong answers over all coverages, which is the area under the curve of risk and coverage.
 */
const inHindsight = (answers: Answer[], confidence: (typeof CONFIDENCES)[number]) => {
  let [agreeing, widest, risk] = [0, 0, 0]
  const ranked = answers.toSorted((a, b) => b[confidence] - a[confidence])
  for (const [place, { agrees }] of ranked.entries()) {
    if (agrees) agreeing++
    if (agreeing >= HINDSIGHT * (place + 1)) widest = place + 1
    risk += 1 - agreeing / (place + 1)
  }
  return { coverage: widest / answers.length, risk: risk / answers.length }
}

const required = (name: 'task' | 'encoder'): string => {
  const value = args[name]
  if (value === undefined) throw new Error(`--${name} is needed`)
  return value
}

type Note = (name: string, value: number) => void

const noteAnswers = (answers: Answer[], features: string, note: Note): void => {
  note(`accuracy_${features}`, answers.filter(({ agrees }) => agrees).length / answers.length)
  for (const confidence of CONFIDENCES) {
    const name = `${features}_${confidence}`
    const { coverage, agreementAnswered } = judged(answers, confidence)
    const hindsight = inHindsight(answers, confidence)
    note(`coverage_${name}`, coverage)
    note(`agreement_${name}`, agreementAnswered)
    note(`hindsight_coverage_${name}`, hindsight.coverage)
    note(`risk_area_${name}`, hindsight.risk)
  }
}

const main = async (): Promise<void> => {
  const [train, holdout, windows] = [args.train, args.holdout, args.windows].map(Number)
  const size = train! + holdout!
  const step = args.step === undefined ? size : Number(args.step)
  const rows = readRows(join(required('task'), 'train.jsonl')).slice(Number(args.skip))
  if (rows.length < (windows! - 1) * step + size)
    throw new Error(`the task has ${rows.length} rows, too few`)
  const encoder = await openEncoder(required('encoder'), { threads: 2 })
  const progress = createProgress()
  const runs: Record<string, number[]> = {}
  const note: Note = (name, value) => void (runs[name] ??= []).push(value)
  for (let window = 0; window < windows!; window++) {
    const part = rows.slice(window * step, window * step + size)
    const { vectors } = await encoder.encode(part.map(({ query }) => query))
    for (const features of FEATURES)
      noteAnswers(
        answersOf({ rows: part, vectors, dims: encoder.dims }, train!, features),
        features,
        note
      )
    progress.update('windows', window + 1, windows!)
  }
  await encoder.close()
  progress.stop()
  const figures: Record<string, Figure> = Object.fromEntries(
    Object.entries(runs).map(([name, values]) => [name, spread(values, 'share')])
  )
  if (args.out !== undefined) writeReport(args.out, figures)
  process.stdout.write(`${formatFigures(figures)}\n`)
}

await main()
