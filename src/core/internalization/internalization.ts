/**
 * The work on one template version: its states, its plan and its history.
 * candidate → training → evaluating → approval → live → retired; ends rejected and failed.
 */
import type { TrainingMethod, TrainingMetrics } from '../../openai/fine-tuning.ts'
import type { FormSummary } from '../form/describe-form.ts'
import type { FieldFigures } from '../answer/field-figures.ts'
import type { AnswerRules } from '../answer/answer-rules.ts'
import type { Repeats } from '../learn/dataset.ts'
import type { PlannedChecker } from '../gate/checker.ts'
import type { ArmFigures, Verdict } from '../gate/gate.ts'
import type { Admission, JudgeIdentity } from '../judge/admission.ts'
import type { OutcomeCounts } from '../answer/outcome.ts'
import { isSamePart, type RoutePart } from '../route/parts.ts'
import type { ProvenKinds } from '../route/request-kind.ts'
import type { OtherModel } from '../route/route.ts'
import type { Border } from '../rollout/border.ts'
import type { WithheldPart } from '../rollout/withheld.ts'
import type { Baseline } from '../rollout/indicators.ts'
import type { OutcomeFigures } from '../outcomes/outcome-figures.ts'
import type { EvidenceFigures, RolloutStage } from '../rollout/stages.ts'
import type { ArmName, StagePlan } from '../learn/schedule.ts'
import type { HoldoutTime } from './holdout-time.ts'
import { itemAt } from '../lists.ts'
import type { Reason } from '../reason.ts'

export type InternalizationState =
  | { name: 'candidate'; successor?: Succession; retry?: Retry }
  | { name: 'training'; arm: number; stage: number }
  | { name: 'evaluating' }
  | { name: 'approval' }
  | {
      name: 'live'
      stage: RolloutStage
      /** why the stage began; absent in the first one, and where the state is there for another reason */
      evidence?: EvidenceFigures
      /** that pairs have proved; absent: that of the proof */
      border?: Border
      /** that are wrong too often; absent: none */
      withheld?: WithheldPart[]
      /** of the change that led here; absent where it changed neither border nor withheld parts */
      coverage?: CoverageChange
    }
  | {
      name: 'retired'
      reason: Reason
      /** of the rollback; absent if a person or a successor retired it */
      evidence?: EvidenceFigures
      /** of users' feedback, if it is the reason of the rollback */
      feedback?: OutcomeFigures
    }
  | {
      name: 'rejected'
      reason: Reason
      /** the worker found the reason before it trained; absent: later, or a person */
      isUntrained?: true
    }
  | { name: 'failed'; reason: Reason }

/** What a change of the border, or of the withheld answers, does to the requests that a route answers. */
export interface CoverageChange {
  /** audited requests until then */
  audited: number
  /** of these, the ones that the route answers without the change, and with it */
  before: number
  after: number
}

/** The border that pairs have proved. @returns null: that of the proof is in force, or it is not live */
export const borderOf = (state: InternalizationState): Border | null =>
  (state.name === 'live' && state.border) || null

/** Parts of a live route that the upstream answers. */
export const withheldBy = (state: InternalizationState): readonly WithheldPart[] =>
  (state.name === 'live' && state.withheld) || []

/** Why an internalization follows another one of its template. */
export interface Succession {
  /** the internalization whose lora its own starts from */
  of: string
  why: 'rolled-back' | 'drifted' | 'new-traffic'
  /** only exchanges from then on train it and judge it, milliseconds since the epoch; 0: all */
  since: number
}

/** A new try after a rejection, with as much new traffic as the rejected one was made from. */
export interface Retry {
  /** the internalization that was rejected */
  of: string
  /** only exchanges from then on train it and judge it, milliseconds since the epoch; absent: all */
  since?: number
}

/** The rollout stage of a live internalization. @returns null when it is not live */
export const rolloutStageOf = (state: InternalizationState): RolloutStage | null =>
  state.name === 'live' ? state.stage : null

/** @throws RangeError for one that is not live: a defect */
export const liveStageOf = ({ state }: Pick<Internalization, 'state'>): RolloutStage => {
  if (state.name !== 'live') throw new RangeError(`the internalization is ${state.name}, not live`)
  return state.stage
}

export interface StageResult {
  jobId: string
  lora: string
  /** tokens of this stage's template text over those of the full template, in the base tokenizer */
  measuredRate: number
  metrics: TrainingMetrics
}

export interface Arm {
  name: ArmName
  /** that answers; absent: a lora or a head that is trained does */
  model?: OtherModel & {
    /** of its answers in this internalization, in place of a lora's */
    id: string
  }
  /** that its head is trained on; absent: its lora is trained on the base model */
  encoder?: string
  stages: StagePlan[]
  /** one entry for each finished stage, in order */
  results: StageResult[]
}

/** All loras that were trained for it, of all arms and stages. */
export const lorasOf = ({ plan }: Internalization): string[] => [
  ...new Set(plan?.arms.flatMap(({ results }) => results.map(({ lora }) => lora))),
]

/** What answers for the arm: its last lora, or the id of its model. Null before its training has ended. */
export const loraOfArm = ({ model, results }: Arm): string | null =>
  model?.id ?? results.at(-1)?.lora ?? null

export const winningArm = ({
  plan,
  verdict,
}: Pick<Internalization, 'plan' | 'verdict'>): Arm | null =>
  (verdict && plan?.arms[verdict.arm]) ?? null

/** @throws RangeError for one that is not planned: a defect */
export const planOf = ({ plan }: Pick<Internalization, 'plan'>): InternalizationPlan => {
  if (plan === null) throw new RangeError('the internalization has no plan')
  return plan
}

/** @throws RangeError for one without a verdict: a defect */
export const verdictOf = ({ verdict }: Pick<Internalization, 'verdict'>): ProvenVerdict => {
  if (verdict === null) throw new RangeError('the internalization has no verdict')
  return verdict
}

/** The figures of the arm that won. */
export const winningFigures = ({ arms, arm }: Pick<Verdict, 'arms' | 'arm'>): ArmFigures =>
  itemAt(arms, arm)

/** The last lora of the arm that won, or the id of its model; null before a verdict. */
export const winningLora = (internalization: Internalization): string | null => {
  const arm = winningArm(internalization)
  return arm && loraOfArm(arm)
}

/** The stage that is trained next; `evaluating` where all stages of all arms are. */
export const nextTraining = (
  arms: readonly Arm[],
  from: { arm: number; stage: number } = { arm: 0, stage: 0 }
): Extract<InternalizationState, { name: 'training' | 'evaluating' }> => {
  const { arm, stage } = from
  const next = arms[arm]
  if (next === undefined) return { name: 'evaluating' }
  return stage < next.stages.length
    ? { name: 'training', arm, stage }
    : nextTraining(arms, { arm: arm + 1, stage: 0 })
}

/** Arm and stage for display: `schedule 2/4`. */
export const stageName = (arm: Arm, stage: number): string =>
  `${arm.name} ${stage + 1}/${arm.stages.length}`

/** Figures of a template's logged exchanges at the time of the plan. */
export interface Population {
  /** that were read */
  exchanges: number
  /** requests that the log had of the template */
  logged: number
  conversations: number
  /** exchanges by how the upstream answered */
  outcomes: OutcomeCounts
  repeats: Repeats
  /** training rows that exceed the base model's context */
  tooLong: number
  /** training rows with parameters that too few held-out requests have, so that no route answers them */
  otherParameters: number
  /** training rows that are longer than the tokens that a label head reads; absent where none is */
  cutByHead?: { rows: number; tokens: number }
  /** why the stages with a prompt were left out; null if they were not */
  withoutPrompt: Reason | null
  /** why arms of `ARMS` do not compete: other models, or all that would be trained; absent where all do */
  modelsLeftOut?: Reason[]
}

/** The form of the answers to learn from. */
export interface PlannedForm extends FormSummary {
  /** ids of some records whose answers it does not reproduce, newest first */
  unexplained: string[]
  /** how it differs from the form of the internalization before, and since when; absent: it does not */
  change?: string
}

/** Who compares written answers, and by what. Its version is known when it has answered. */
export interface PlannedJudge extends Omit<JudgeIdentity, 'version'> {
  /** of the proof */
  expected: JudgeCost
}

/** Of a judge's requests for one proof, estimated when it is planned. */
export interface JudgeCost {
  requests: number
  usd: number
  /** PROOF_USD at that time */
  limitUsd: number
}

/** Fixed when training starts, so that a crash resumes the same plan. */
export interface InternalizationPlan {
  engine: string
  baseModel: string
  seed: number
  trainRecordIds: string[]
  /** the sample of traffic as it comes */
  holdoutRecordIds: string[]
  /** the sample of unseen questions; shares records with the sample of traffic */
  unseenRecordIds: string[]
  holdout: HoldoutTime
  /** length of a burst, which is not on both sides of the split; 0: every conversation is one */
  burstMinutes: number
  /** internalizations of the template with a verdict that rows of the two samples judged before */
  earlierTries: number
  population: Population
  /** the kinds of requests that the sample of traffic contains */
  kinds: ProvenKinds
  answers: AnswerRules
  /** that vouches for agreement of written answers; absent: equality does */
  judge?: PlannedJudge
  /** of the operator, that vouches for agreement of code; absent: equality does */
  checker?: PlannedChecker
  /** that its live route watches; pairs name them by their numbers here */
  parts: RoutePart[]
  /** of the answers, where a field head learns them */
  form?: PlannedForm
  /** order in which compression drops sentences: indices, least effect first */
  dropOrder: number[]
  /** tokens of the full template text in the base model's tokenizer */
  templateTokens: number
  method: TrainingMethod
  /** absent without a predecessor */
  successor?: Succession & {
    /** where its training starts; null when the engine has lost it: at the base model */
    lora: string | null
  }
  arms: Arm[]
}

/** Record ids of both samples without repeats, traffic first. */
export const heldOutIds = ({
  holdoutRecordIds,
  unseenRecordIds,
}: InternalizationPlan): string[] => [...new Set([...holdoutRecordIds, ...unseenRecordIds])]

/** Training rows that no optimizer step sees: at most this number, and this share of all. */
const MAX_VALIDATION_ROWS = 64
const VALIDATION_SHARE = 0.05

/** The stored rows of the plan's own arms. */
export const armRows = <Row extends { arm: number }>(
  plan: InternalizationPlan | null,
  rows: Row[]
): Row[] => rows.filter(({ arm }) => arm < (plan?.arms.length ?? 0))

/** Number in the store of the live route's answers, which a successor is compared with. */
export const armOfPresent = ({ arms }: InternalizationPlan): number => arms.length

/**
 * Number of validation rows, the newest of the training rows. The engine measures its loss on them,
 * and the confidence statistic is chosen on them.
 */
export const validationCount = (rows: number): number =>
  Math.min(MAX_VALIDATION_ROWS, Math.floor(rows * VALIDATION_SHARE))

/** Requests of an evaluation to all arms together. */
export const evaluationRows = (plan: InternalizationPlan): number =>
  (heldOutIds(plan).length + validationCount(plan.trainRecordIds.length)) * plan.arms.length

/** See `createEffectiveRows`. */
export const burstMsOf = ({ burstMinutes }: Pick<InternalizationPlan, 'burstMinutes'>): number =>
  burstMinutes * 60_000

/** A verdict, the traffic that it is about, and where its answers disagree. */
export interface ProvenVerdict extends Verdict {
  /** of the judge that compared the answers; absent: they were equal or not */
  judge?: Admission
  /** absent where nothing was proven, and where no held-out record was left */
  baseline?: Baseline
  /** of the winning arm, over all held-out rows; absent where answers are not JSON */
  fields?: FieldFigures
}

export interface Internalization {
  id: string
  tenant: string
  templateVersion: string
  state: InternalizationState
  createdAt: number
  updatedAt: number
  plan: InternalizationPlan | null
  verdict: ProvenVerdict | null
  /** optimistic lock: a save with a stale revision is refused */
  revision: number
}

export interface HistoryEntry {
  at: number
  from: InternalizationState | null
  to: InternalizationState
  /** the cause: `worker`, `admin` or `cli` */
  by: string
  /** why, in the words of the person who decided; null without any */
  note: string | null
}

/** Longest note, UTF-16 units. */
export const MAX_NOTE_CHARS = 300

/** The border that a change of the state has moved. @returns null: it stays where it was */
export const movedBorder = ({ from, to }: Pick<HistoryEntry, 'from' | 'to'>): Border | null => {
  const [before, border] = [from && borderOf(from), borderOf(to)]
  return from?.name === 'live' && border?.threshold !== before?.threshold ? border : null
}

/** The border of the last time that it was live. @returns null: that of the proof, or it was never live */
export const lastBorderOf = (history: readonly Pick<HistoryEntry, 'to'>[]): Border | null => {
  const last = history.findLast(({ to }) => to.name === 'live')
  return last === undefined ? null : borderOf(last.to)
}

/** Parts that a change of the state has withheld. */
export const newlyWithheld = ({
  from,
  to,
}: Pick<HistoryEntry, 'from' | 'to'>): readonly WithheldPart[] => {
  if (from?.name !== 'live') return []
  const known = withheldBy(from)
  return withheldBy(to).filter((part) => !known.some((one) => isSamePart(one, part)))
}

/** The operator's settings for all internalizations. */
export interface InternalizeOptions {
  /** fewest distinct sessions of a template */
  minSessions: number
  /** start automatically when a template has enough exchanges */
  auto: boolean
  /** go live without a person's approval */
  autoPromote: boolean
  /** of a template, with which its first try begins; at most as many as both parts take */
  startExchanges: number
  /** both parts at most */
  trainRows: number
  holdoutRows: number
  /** requests of so many minutes may resemble each other; 0: only those of one conversation do */
  burstMinutes: number
  /** training time of all arms together; null: no limit */
  trainSeconds: number | null
  stages: number
  /** that may compete */
  arms: ArmName[]
  /** examples retrieved for a row of the first stage */
  examples: number
  seed: number
  margin: number
  minCoverage: number
  /** held-out requests that are sent to the upstream twice more, to compare with today; null: all */
  upstreamReplays: number | null
  /** US dollars that answers of other models and the judge may cost an internalization; null: none are bought */
  proofUsd: number | null
}

/** Name of the snapshot with the live figures of a stage in training. */
export const progressSnapshot = (internalizationId: string): string =>
  `progress:${internalizationId}`

/** @param now milliseconds since the epoch */
export const newInternalization = (
  id: string,
  template: { tenant: string; version: string },
  now: number,
  cause: { successor?: Succession; retry?: Retry } = {}
): Internalization => ({
  id,
  tenant: template.tenant,
  templateVersion: template.version,
  state: { name: 'candidate', ...cause },
  createdAt: now,
  updatedAt: now,
  plan: null,
  verdict: null,
  revision: 0,
})
