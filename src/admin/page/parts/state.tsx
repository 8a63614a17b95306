/** States of internalizations in words, and why they were entered. */
import {
  rolloutStageOf,
  type HistoryEntry,
  type InternalizationState,
} from '../../../core/internalization/internalization.ts'
import { stageName } from '../../../core/rollout/stages.ts'
import { capitalText, lossText } from '../../../lifecycle/rollout-report.ts'
import { Badge } from './figures.tsx'
import type { Tone } from '../../../views/facts.ts'
import { Line } from './text.tsx'

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
const toneOf = (state: InternalizationState): Tone =>
  rolloutStageOf(state)?.isPaused === true ? 'waits' : TONES[state.name]

export const StateBadge = ({ state }: { state: InternalizationState }) => (
  <Badge tone={toneOf(state)}>{stateWords(state)}</Badge>
)

/** With the reason for which it was entered. */
export const ExplainedState = ({ state }: { state: InternalizationState }) => (
  <>
    <StateBadge state={state} />
    <small>
      <Line text={reasonOf(state)} chars={200} />
    </small>
  </>
)

const SUCCESSIONS = {
  'rolled-back': 'was rolled back',
  drifted: 'has drifted',
  'new-traffic': 'has much new traffic',
}

/** Why a state was entered, as far as the state itself says; '' where it does not. */
export const reasonOf = (state: InternalizationState): string => {
  switch (state.name) {
    case 'candidate':
      if (state.successor !== undefined)
        return `follows ${state.successor.of}, which ${SUCCESSIONS[state.successor.why]}`
      return state.retry === undefined ? '' : `tries ${state.retry.of} again with more traffic`
    case 'live':
      return state.evidence === undefined
        ? ''
        : `disagrees with the upstream in ${lossText(state.evidence)}; evidence ${capitalText(state.evidence.step)}`
    case 'retired':
    case 'rejected':
      return state.reason
    case 'failed':
      return state.cause
    default:
      return ''
  }
}

/** Why a row of the history was written: what the person said, and what the state says. */
export const whyOf = ({ to, note }: Pick<HistoryEntry, 'to' | 'note'>): string =>
  [note ?? '', reasonOf(to)].filter((text) => text !== '').join('; ')
