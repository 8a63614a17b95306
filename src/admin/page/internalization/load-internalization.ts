/** Reads what the page of one internalization shows at once. */
import { nameOf, shortId } from '../../../core/template/name.ts'
import type { FeedbackCounts } from '../../../core/log/feedback.ts'
import {
  winningLora,
  type HistoryEntry,
  type Internalization,
} from '../../../core/internalization/internalization.ts'
import type { JudgeProgress, StageProgress } from '../../../core/internalization/stage-progress.ts'
import type { Template } from '../../../core/template/template.ts'
import { shownPairs } from '../../../lifecycle/ratings/rating.ts'
import { readRolloutReport, type RolloutReport } from '../../../lifecycle/rollout-report.ts'
import { unexplainedAnswers, type UnexplainedAnswer } from '../../../lifecycle/logged-texts.ts'
import type { Store } from '../../../store/store.ts'
import type { AdminDeps } from '../../deps.ts'
import {
  readInternalization,
  readJudged,
  readProgress,
  type Judged,
} from '../../../views/internalization.ts'
import { loadAnswers } from '../answers/load-answers.ts'
import { mistakeOfAnswer, mistakeOfPair, type Mistake } from './mistakes.tsx'
import type { MoneyProps } from './money.tsx'

export interface InternalizationFacts {
  row: Internalization
  /** null: it was deleted */
  template: Template | null
  /** the upstream's; `the upstream` when the template was deleted */
  model: string
  /** of its template */
  name: string
  /** oldest first */
  history: HistoryEntry[]
  progress: StageProgress | JudgeProgress | null
  /** null where equality decides */
  judged: Judged | null
  /** null where answers are held back until their end */
  /** null before it was live */
  report: RolloutReport | null
  feedback: FeedbackCounts | null
  /** the newest ones of a route, the surest ones of a candidate; null where there is nothing to decide */
  mistakes: Mistake[] | null
  /** answers that the form of its plan does not reproduce */
  unexplained: UnexplainedAnswer[]
  /** null: not worked out yet, or there is no promise to pay for */
  money: MoneyProps | null
}

const MISTAKES = 3

type LoadDeps = Pick<AdminDeps, 'store' | 'blindSecret' | 'economics'>

const readMistakes = async (
  { store, blindSecret }: LoadDeps,
  row: Internalization,
  report: RolloutReport | null
): Promise<Mistake[] | null> => {
  if (report !== null) {
    const query = { limit: MISTAKES, outcome: 'disagreed', reveals: 'all' } as const
    return (await shownPairs(store, row, query, blindSecret)).map(mistakeOfPair)
  }
  if (row.state.name !== 'approval' || row.verdict === null) return null
  const query = { kind: 'wrong', search: '', field: '', page: 1, arm: row.verdict.arm } as const
  return (await loadAnswers(store, row, query)).shown.slice(0, MISTAKES).map(mistakeOfAnswer)
}

/** Whether there is a promise that somebody pays for, or would. */
export const hasMoney = ({ state }: Internalization): boolean =>
  state.name === 'live' || state.name === 'approval'

/** @param isAssessed also reads from the log what it saves, which takes seconds */
export const loadMoney = async (
  { store, economics }: Pick<AdminDeps, 'store' | 'economics'>,
  row: Internalization,
  isAssessed: boolean
): Promise<MoneyProps | null> => {
  const template = await store.templates.get(row.templateVersion)
  if (template === null || !hasMoney(row)) return null
  const assess = isAssessed ? economics.assess : economics.known
  const known = (await assess([template])).get(template.version)
  if (known === undefined) return null
  const { answered } = await store.templates.stats(template.version)
  return { answered: row.state.name === 'live' ? answered : null, economics: known }
}

/** The start of the version where the template is gone. */
const nameFor = async (
  { templates }: Pick<Store, 'templates'>,
  { templateVersion }: Internalization,
  template: Template | null
): Promise<string> =>
  template === null
    ? shortId(templateVersion)
    : nameOf(template, (await templates.labels()).get(templateVersion) ?? null)

/** @throws AppError `not-found` */
export const loadInternalization = async (
  deps: LoadDeps,
  id: string
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
    name: await nameFor(store, row, template),
    history: await store.internalizations.history(row.id),
    progress: await readProgress(store, row),
    judged: await readJudged(store, row),
    report,
    feedback: lora === null ? null : await store.feedback.counts(lora),
    mistakes: await readMistakes(deps, row, report),
    unexplained: await unexplainedAnswers(store, row),
    money: await loadMoney(deps, row, false),
  }
}
