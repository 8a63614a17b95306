/**
 * Has the judge compare the stored answers of an evaluation. Each batch is stored before the next, so a crash repeats
 * at most one batch of paid calls.
 */
import type { Comparison } from '../../core/answer/agreement.ts'
import { textOf } from '../../core/answer/outcome.ts'
import type { JudgeProgress } from '../../core/internalization/stage-progress.ts'
import type { JudgedAnswers, ComparedAnswer } from '../../core/judge/verdict.ts'
import {
  progressSnapshot,
  type Internalization,
  type InternalizationPlan,
} from '../../core/internalization/internalization.ts'
import { studentText } from '../../core/template/prompt.ts'
import { saveJsonSnapshot } from '../../store/json-snapshot.ts'
import type { EvaluationRow, Store } from '../../store/store.ts'
import type { WorkerDeps } from '../deps.ts'
import { LANES } from '../answers/ask-model.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import type { Witness, WitnessedAnswers } from './witness.ts'
import { valueIn } from '../../core/lists.ts'

/** Tells people how far the judge is. */
export type ReportJudged = (progress: Omit<JudgeProgress, 'at'>) => Promise<void>

export interface JudgeRowsDeps {
  judge: Witness
  store: Pick<Store, 'internalizations' | 'records' | 'snapshots'>
  comparison: Comparison
  report: ReportJudged
}

/** How rows of an internalization are judged. Its progress is stored for the admin API, the page and the CLI. */
export const judgingOf = <Of extends Witness>(
  { store, now }: Pick<WorkerDeps, 'store' | 'now'>,
  judge: Of,
  { internalization: { id }, plan }: { internalization: Internalization; plan: InternalizationPlan }
): JudgeRowsDeps & { judge: Of } => ({
  judge,
  store,
  comparison: plan.answers,
  report: (progress) =>
    saveJsonSnapshot(store, progressSnapshot(id), {
      ...progress,
      at: now(),
    } satisfies JudgeProgress),
})

/**
 * Stores what was said of rows whose records still have their bodies: rows are held while the judge is asked, and one
 * that was forgotten or has lost its texts since then must not come back.
 */
const keep = async (
  { internalizations, records }: JudgeRowsDeps['store'],
  rows: readonly EvaluationRow[]
): Promise<void> => {
  const found = await records.byIds(rows.map(({ recordId }) => recordId))
  const whole = new Set(found.flatMap(({ id, request }) => (request === '' ? [] : id)))
  const kept = rows.filter(({ recordId }) => whole.has(recordId))
  if (kept.length > 0) await internalizations.addEvaluations(kept)
}

/** Where the upstream gave no text there is nothing to compare: the answer is not the same, whoever is asked. */
const NO_TEXT: ComparedAnswer = { verdict: 'different', isFactWrong: false }
const BOTH_NO_TEXT: ComparedAnswer = { verdict: 'same', isFactWrong: false }

/** @returns null where no money is left */
const compareTexts = async (
  { judge, comparison }: JudgeRowsDeps,
  texts: WitnessedAnswers
): Promise<ComparedAnswer | null> =>
  texts.first === '' || texts.other === '' ? NO_TEXT : judge.compare(comparison, texts)

/** What is compared: the upstream's second answer, before the judge is admitted, or the arms' answers. */
export type Compared = 'second' | 'adapted'

const NOTHING: JudgedAnswers = { adapted: null, second: null }

/** Of a row whose upstream's answer of today may have no text. @returns null where no money is left */
const judgeSecond = async (
  deps: JudgeRowsDeps,
  { fresh, upstreamAnswer, secondAnswer }: EvaluationRow,
  asked: Pick<WitnessedAnswers, 'request' | 'messages'>
): Promise<ComparedAnswer | null> => {
  const [first, other] = [upstreamAnswer ?? '', secondAnswer ?? '']
  if (first === '' && other === '') return fresh?.repeats ? BOTH_NO_TEXT : NO_TEXT
  return compareTexts(deps, { ...asked, first, other })
}

/** @returns null where no money is left */
const judgeRow = async (
  deps: JudgeRowsDeps,
  compared: Compared,
  row: EvaluationRow,
  { exchange, first }: { exchange: MatchedExchange; first: EvaluationRow | undefined }
): Promise<JudgedAnswers | null> => {
  const known = row.judged ?? NOTHING
  const asked = { request: studentText(exchange.match), messages: exchange.request.messages }
  if (compared === 'second') {
    const second = await judgeSecond(deps, row, asked)
    return second && { ...known, second }
  }
  const upstream = (first?.fresh ? first.upstreamAnswer : textOf(exchange.outcome)) ?? ''
  const adapted = await compareTexts(deps, { ...asked, first: upstream, other: row.answer })
  return adapted && { ...known, adapted }
}

const isOpen = (compared: Compared, { arm, judged, fresh, deferred }: EvaluationRow): boolean =>
  compared === 'second'
    ? arm === 0 && fresh !== null && !judged?.second
    : deferred === null && !judged?.adapted

export interface RowsToJudge {
  compared: Compared
  /** of one arm; what was compared before is not compared again */
  rows: readonly EvaluationRow[]
  /** of the first arm, by record: they have the upstream's answers of today */
  firstRows: ReadonlyMap<string, EvaluationRow>
  /** by record; a row whose exchange is gone stays as it is, and counts as not compared */
  exchanges: ReadonlyMap<string, MatchedExchange>
}

/**
 * @returns the rows with what the judge said, and whether the money was enough for all of them
 * @throws AppError `upstream-unavailable` where the judge does not answer for the moment; what it said is stored
 */
export const judgeRows = async (
  deps: JudgeRowsDeps,
  { compared, rows, firstRows, exchanges }: RowsToJudge
): Promise<{ rows: EvaluationRow[]; isPaid: boolean }> => {
  const judged = new Map(rows.map((row) => [row.recordId, row]))
  const open = rows.filter((row) => isOpen(compared, row) && exchanges.has(row.recordId))
  for (let start = 0; start < open.length; start += LANES) {
    const batch = open.slice(start, start + LANES)
    const settled = await Promise.allSettled(
      batch.map(async (row) => {
        const exchange = valueIn(exchanges, row.recordId)
        const said = await judgeRow(deps, compared, row, {
          exchange,
          first: firstRows.get(row.recordId),
        })
        return said && { ...row, judged: said }
      })
    )
    const said = settled.flatMap((one) => (one.status === 'fulfilled' && one.value) || [])
    await keep(deps.store, said)
    for (const row of said) judged.set(row.recordId, row)
    const done = rows.length - open.length + start + batch.length
    await deps.report({ compares: compared, done, of: rows.length })
    const failed = settled.find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
    if (said.length < batch.length) return { rows: [...judged.values()], isPaid: false }
  }
  return { rows: [...judged.values()], isPaid: true }
}
