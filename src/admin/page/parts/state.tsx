/** States of internalizations in words, and why they were entered. */
import {
  rolloutStageOf,
  type InternalizationState,
} from '../../../core/internalization/internalization.ts'
import { stateReason } from '../../../core/internalization/change-reason.ts'
import { sayReason } from '../../../core/reasons/say-reason.ts'
import { stageName } from '../../../core/rollout/stages.ts'
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

/** Why a state was entered, as far as the state itself says; '' where it does not. */
export const stateText = (state: InternalizationState): string => {
  const reason = stateReason(state)
  return reason === null ? '' : sayReason(reason).says
}

/** With the reason for which it was entered. */
export const ExplainedState = ({ state }: { state: InternalizationState }) => (
  <>
    <StateBadge state={state} />
    <small>
      <Line text={stateText(state)} chars={200} />
    </small>
  </>
)
