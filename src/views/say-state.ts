/** Where an internalization stands, in sentences for a person who decides: page and terminal lay out the same. Pure. */
import { writtenRules } from '../core/answer/field-rules.ts'
import { stateReason } from '../core/internalization/change-reason.ts'
import {
  rolloutStageOf,
  type Internalization,
  type InternalizationState,
} from '../core/internalization/internalization.ts'
import type { JudgeProgress, StageProgress } from '../core/internalization/stage-progress.ts'
import { sayReason, sentenceOf } from '../core/reasons/say-reason.ts'
import { stageName } from '../core/rollout/stages.ts'
import { judgeCostText } from '../lifecycle/read-judge.ts'
import type { Tone } from './facts.ts'
import { duration, percent, whole } from '../core/figure-text.ts'
import { sayLive, type LiveSituation } from './say-rollout.ts'
import { armText, sayAnswers } from './say-verdict.ts'

type StateName = InternalizationState['name']

export const STATE_WORDS: Record<StateName, string> = {
  candidate: 'waits for the worker',
  training: 'in training',
  evaluating: 'being judged',
  approval: 'waits for a decision',
  live: 'live',
  retired: 'retired',
  rejected: 'rejected',
  failed: 'failed',
}

const TONES: Record<StateName, Tone> = {
  candidate: 'plain',
  training: 'plain',
  evaluating: 'plain',
  approval: 'waits',
  live: 'good',
  retired: 'plain',
  rejected: 'plain',
  failed: 'bad',
}

/** `live, canary 5 %`, `in training`. */
export const stateWords = (state: InternalizationState): string => {
  const stage = rolloutStageOf(state)
  return stage === null ? STATE_WORDS[state.name] : `live, ${stageName(stage)}`
}

/** A pause is a person's, and waits for one to end it. */
export const toneOf = (state: InternalizationState): Tone =>
  rolloutStageOf(state)?.isPaused === true ? 'waits' : TONES[state.name]

/** Why a state was entered, as far as the state itself says; '' where it does not. */
export const stateText = (state: InternalizationState): string => {
  const reason = stateReason(state)
  return reason === null ? '' : sayReason(reason).says
}

/** What a person reads first of an internalization. */
export interface Said {
  /** one paragraph each, the most important first */
  says: string[]
  /** what would help; null: nothing has to be helped */
  helps: string | null
  /** a record that shows what is said; null: none does */
  example: string | null
  /** the reason in the words of a person, or of another program; null: none was */
  reason: string | null
}

const NOTHING_MORE: Omit<Said, 'says'> = {
  helps: null,
  example: null,
  reason: null,
}

export const said = (says: string[], more: Partial<Said> = {}): Said => ({
  ...NOTHING_MORE,
  ...more,
  says,
})

/** A judge that reads some fields alone is not the only one that rejects. */
const OTHER_FIELDS =
  'Answers with another value in a field that is not written count as rejected, too: the fields that disagree are listed with the figures.'

/** Of repeated questions: where more requests than the margin allows have several answers, no arm can pass. */
const contradictingLog = (
  { plan, verdict }: Pick<Internalization, 'plan' | 'verdict'>,
  margin: number
): Pick<Said, 'says' | 'helps' | 'example'> | null => {
  const repeats = plan?.population.repeats
  if (repeats === undefined || repeats.changedShare <= margin) return null
  const { changed, changedShare, examples } = repeats
  const measures =
    verdict?.change === null
      ? ' With UPSTREAM_API_KEY the test also measures how often it contradicts itself, and allows for that.'
      : ''
  return {
    says: [
      `${whole(changed)} repeated questions got different answers from the upstream: ${percent(changedShare)} of the requests ask one of them, and no small model can agree with all of these.`,
    ],
    helps: `Make the upstream answer a repeated question consistently: state in the prompt which of the answers is right, or lower the temperature. Then internalize again from newer traffic.${measures}`,
    example: examples[0] ?? null,
  }
}

const sayRejection = (
  row: Pick<Internalization, 'plan' | 'verdict'>,
  { reason }: Extract<InternalizationState, { name: 'rejected' }>
): Said => {
  const helps = 'It cannot go live any more; a new internalization can begin.'
  if (reason.code === 'said')
    return said(['A person rejected it.'], { helps, reason: reason.figures.text })
  const isLoss = reason.code === 'loss-too-large'
  const { margin, isJudged } = isLoss ? reason.figures : { margin: 1, isJudged: false }
  const contradicting = isLoss && !isJudged ? contradictingLog(row, margin) : null
  const sentence = sayReason(reason)
  const hasFields = isJudged && writtenRules(row.plan?.answers.fields).length > 0
  return said(
    [
      ...(contradicting?.says ?? []),
      sentenceOf(sentence.says),
      ...(hasFields ? [OTHER_FIELDS] : []),
    ],
    {
      helps:
        contradicting?.helps ?? (sentence.helps === undefined ? helps : sentenceOf(sentence.helps)),
      example: contradicting?.example ?? null,
    }
  )
}

/** @param by who retired it, as the history says */
const sayRetired = (
  { reason }: Extract<InternalizationState, { name: 'retired' }>,
  { model, by }: { model: string; by: string }
): Said => {
  const { says, helps } = sayReason(reason)
  switch (reason.code) {
    case 'replaced':
      return said(['A newer internalization replaced it.'])
    case 'rolled-back':
    case 'rated-worse':
      return said([sentenceOf(says), `${model} answers again.`], {
        helps: helps ? sentenceOf(helps) : null,
      })
    default:
      return said([`${by === 'worker' ? 'The worker' : 'A person'} took it out of service.`], {
        helps: 'It can be approved again, from the first stage on.',
        reason: says,
      })
  }
}

export interface Situation extends LiveSituation {
  progress: StageProgress | JudgeProgress | null
  /** who wrote the present state, as the history says */
  by: string
}

const sayStep = (metrics: NonNullable<StageProgress['metrics']>): string[] => {
  const { step, total_steps: steps, eta_seconds: seconds } = metrics
  if (step == null || steps == null) return []
  const left = seconds == null ? '' : `; about ${duration(1000 * seconds)} to go in this stage`
  return [`Step ${whole(step)} of ${whole(steps)}${left}.`]
}

const sayTraining = (
  { plan }: Internalization,
  state: Extract<InternalizationState, { name: 'training' }>,
  progress: Situation['progress']
): string[] => {
  const arms = plan?.arms ?? []
  const arm = arms[state.arm]
  if (arm === undefined) return []
  const ofStage = progress !== null && 'stage' in progress ? progress : null
  const isPresent = ofStage?.arm === state.arm && ofStage.stage === state.stage
  return [
    `Candidate ${state.arm + 1} of ${arms.length}, stage ${state.stage + 1} of ${arm.stages.length}: ${armText(arm)}.`,
    ...(isPresent ? sayStep(ofStage.metrics ?? {}) : []),
  ]
}

const COMPARES: Record<JudgeProgress['compares'], string> = {
  second: 'the upstream’s second answers',
  planted: 'answers with planted faults',
  adapted: 'the small model’s answers',
}

const sayEvaluating = ({ plan }: Internalization, progress: Situation['progress']): string[] => {
  const judge = plan?.judge
  if (judge === undefined)
    return ['It answers the held-out requests, and its answers are compared with the logged ones.']
  if (progress === null || !('compares' in progress))
    return [`It answers the held-out requests. Then ${judgeCostText(judge)}.`]
  const { compares, done, of } = progress
  return [`${judge.model} compares ${COMPARES[compares]}: ${whole(done)} of ${whole(of)}.`]
}

export const sayState = (situation: Situation): Said => {
  const { row, progress } = situation
  const { state } = row
  switch (state.name) {
    case 'candidate':
      return said([
        'The worker chooses exchanges and begins to train when the engine is free.',
        ...[stateReason(state) ?? []]
          .flat()
          .map((reason) => sentenceOf(`it ${sayReason(reason).says}`)),
      ])
    case 'training':
      return said(sayTraining(row, state, progress))
    case 'evaluating':
      return said(sayEvaluating(row, progress))
    case 'approval':
      return said(
        row.verdict === null ? [] : [sayAnswers(row.verdict, situation.model, 'would answer')]
      )
    case 'live':
      return said(sayLive(state.stage, situation))
    case 'retired':
      return sayRetired(state, situation)
    case 'rejected':
      return sayRejection(row, state)
    case 'failed':
      return said(['It stopped with an error.'], {
        helps: sentenceOf(sayReason(state.reason).helps ?? ''),
        reason: sayReason(state.reason).says,
      })
  }
}
