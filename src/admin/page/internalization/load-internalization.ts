/** Reads what the page of one internalization shows. */
import type { HistoryEntry, Internalization } from '../../../core/lifecycle/internalization.ts'
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
  /** the upstream's; `the upstream` when the template was deleted */
  model: string
  /** oldest first */
  history: HistoryEntry[]
  progress: StageProgress | null
  report: RolloutReport | null
  curve: CurveReading | null
}

/** @throws AppError `not-found` */
export const loadInternalization = async (
  { store }: Pick<AdminDeps, 'store'>,
  id: string
): Promise<InternalizationFacts> => {
  const row = await readInternalization(store, id)
  const template = await store.templates.get(row.templateVersion)
  return {
    row,
    model: template?.model ?? 'the upstream',
    history: await store.internalizations.history(id),
    progress: await readProgress(store, row),
    report: await readRolloutReport(store, id),
    curve: await readLearningCurve(store, row),
  }
}
