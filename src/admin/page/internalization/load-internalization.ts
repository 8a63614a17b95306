/** Reads what the page of one internalization shows at once. */
import { shortId } from '../../../core/template/name.ts'
import { templateNames } from '../../../lifecycle/find.ts'
import type { FeedbackCounts } from '../../../core/log/feedback.ts'
import {
  winningLora,
  type HistoryEntry,
  type Internalization,
} from '../../../core/internalization/internalization.ts'
import type { Template } from '../../../core/template/template.ts'
import { shownPairs, type ShownPair } from '../../../lifecycle/ratings/rating.ts'
import { readRolloutReport, type RolloutReport } from '../../../lifecycle/rollout-report.ts'
import type { AdminDeps } from '../../deps.ts'
import {
  readInternalization,
  readLearningCurve,
  readProgress,
  type CurveReading,
  type StageProgress,
} from '../../reading/read-internalization.ts'

export interface InternalizationFacts {
  row: Internalization
  /** null: it was deleted */
  template: Template | null
  /** the upstream's; `the upstream` when the template was deleted */
  model: string
  /** that a person gave the template; null: none */
  /** of its template */
  name: string
  /** oldest first */
  history: HistoryEntry[]
  progress: StageProgress | null
  /** null before it was live */
  report: RolloutReport | null
  curve: CurveReading | null
  feedback: FeedbackCounts | null
  /** the newest pairs of a live route that disagree; null where they are not shown */
  mistakes: ShownPair[] | null
}

const MISTAKES = 3

const readMistakes = (
  { store, blindSecret }: Pick<AdminDeps, 'store' | 'blindSecret'>,
  row: Internalization
): Promise<ShownPair[]> =>
  shownPairs(store, row, { limit: MISTAKES, outcome: 'disagreed', reveals: 'all' }, blindSecret)

/**
 * @param showsTexts whether the reader may read requests and answers
 * @throws AppError `not-found`
 */
export const loadInternalization = async (
  deps: Pick<AdminDeps, 'store' | 'blindSecret'>,
  id: string,
  showsTexts: boolean
): Promise<InternalizationFacts> => {
  const { store } = deps
  const row = await readInternalization(store, id)
  const template = await store.templates.get(row.templateVersion)
  const report = await readRolloutReport(store, row.id)
  const lora = report === null ? null : winningLora(row)
  return {
    row,
    template,
    model: template?.model ?? 'the upstream',
    name: (await templateNames(store)).get(row.templateVersion) ?? shortId(row.templateVersion),
    history: await store.internalizations.history(row.id),
    progress: await readProgress(store, row),
    report,
    curve: await readLearningCurve(store, row),
    feedback: lora === null ? null : await store.feedback.counts(lora),
    mistakes: report === null || !showsTexts ? null : await readMistakes(deps, row),
  }
}
