/**
 * What decides how much a label head answers: its confidence, and what it reads. Heads are trained on rows of a
 * task and judged by the gate on the rows after them, window by window.
 * `npm run bench:heads -- --task <folder> --encoder <folder> --out file.json`
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openEncoder } from '../adapters/onnx/encoder/sentence-encoder.ts'
import { createProgress } from '../src/cli/output.ts'
import { decide, type HeldOutRow } from '../src/core/gate/gate.ts'
import {
  acceptance,
  mostLikely,
  neighbourhoodOf,
  trainAcceptor,
} from '../src/core/learn/acceptor.ts'
import {
  crossValidated,
  probabilities,
  trainHead,
  type HeadRows,
} from '../src/core/learn/softmax-head.ts'
import { readRows, type TaskRow } from './harness/data.ts'
import { formatFigures, spread, writeReport, type Figure } from './report.ts'

const { values: args } = parseArgs({
  options: {
    task: { type: 'string' },
    encoder: { type: 'string' },
    train: { type: 'string', default: '1500' },
    holdout: { type: 'string', default: '1000' },
    /** windows of the task's rows, one after the other */
    windows: { type: 'string', default: '3' },
    /** rows before the first window */
    skip: { type: 'string', default: '0' },
    margin: { type: 'string', default: '0.05' },
    out: { type: 'string' },
  },
})

const MARGIN = Number(args.margin)

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

/** Answers of a head that was trained on the first rows to the others. @param vectors of length 1 */
const answersOf = (rows: TaskRow[], train: number, vectors: Float32Array): Answer[] => {
  const dims = vectors.length / rows.length
  const names = [...new Set(rows.slice(0, train).map(({ answer }) => answer))]
  const classOf = new Map(names.map((name, place) => [name, place]))
  const trained: HeadRows = {
    features: vectors.subarray(0, train * dims),
    dims,
    classes: names.length,
    labels: Int32Array.from(rows.slice(0, train), ({ answer }) => classOf.get(answer)!),
  }
  const { labels, classes } = trained
  const validated = crossValidated({ ...trained, groups: rows.slice(0, train).map((r) => r.query) })
  const acceptor = trainAcceptor({
    ...validated,
    classes,
    labels,
    similarity: (place, other) => product(vectors, place * dims, vectors, other * dims, dims),
  })
  const { l2, temperature } = validated
  const head = { ...trainHead({ ...trained, l2 }), temperature }
  const all = probabilities(head, vectors.subarray(train * dims))
  return rows.slice(train).map(({ answer: right }, place) => {
    const row = all.subarray(place * classes, (place + 1) * classes)
    const answer = mostLikely(row, 0, classes)
    const from = (train + place) * dims
    const near = neighbourhoodOf(
      labels,
      (other) => product(vectors, from, vectors, other * dims, dims),
      answer
    )
    return {
      agrees: names[answer] === right,
      softmax: Math.log(row[answer]!),
      acceptor: Math.log(acceptance(acceptor, row, answer, near)),
    }
  })
}

const heldOutRow = (agrees: boolean, confidence: number, place: number): HeldOutRow => ({
  similarity: Number(agrees),
  logprobSum: confidence,
  logprobMin: confidence,
  deferred: null,
  upstreamSimilarity: null,
  conversation: String(place),
  isTraffic: true,
  isUnseen: true,
  slices: [],
})

/** What the gate makes of the answers with one of the confidences. */
const judged = (answers: Answer[], confidence: 'softmax' | 'acceptor') => {
  const rows = answers.map((answer, place) => heldOutRow(answer.agrees, answer[confidence], place))
  const arm = { arm: 'label-head' as const, statistic: 'sum' as const, rows }
  return decide({ arms: [arm], responseType: 'label', margin: MARGIN, seed: 1 }).arms[0]!
}

const required = (name: 'task' | 'encoder'): string => {
  const value = args[name]
  if (value === undefined) throw new Error(`--${name} is needed`)
  return value
}

const main = async (): Promise<void> => {
  const [train, holdout, windows] = [args.train, args.holdout, args.windows].map(Number)
  const rows = readRows(join(required('task'), 'train.jsonl')).slice(Number(args.skip))
  const encoder = await openEncoder(required('encoder'), { threads: 2 })
  const progress = createProgress()
  const runs: Record<string, number[]> = {}
  const note = (name: string, value: number): void => void (runs[name] ??= []).push(value)
  for (let window = 0; window < windows!; window++) {
    const size = train! + holdout!
    const part = rows.slice(window * size, (window + 1) * size)
    if (part.length < size) throw new Error(`the task has ${rows.length} rows, too few`)
    const { vectors } = await encoder.encode(part.map(({ query }) => query))
    const answers = answersOf(part, train!, vectors)
    note('accuracy', answers.filter(({ agrees }) => agrees).length / answers.length)
    for (const confidence of ['softmax', 'acceptor'] as const) {
      const figures = judged(answers, confidence)
      note(`coverage_${confidence}`, figures.coverage)
      note(`agreement_${confidence}`, figures.agreementAnswered)
    }
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
