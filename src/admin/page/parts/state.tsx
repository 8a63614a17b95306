/** States of internalizations in words, and why they were entered. */
import type { InternalizationState } from '../../../core/internalization/internalization.ts'
import { stateText, stateWords, toneOf } from '../../../views/say-state.ts'
import { Badge } from './figures.tsx'
import { Line } from './text.tsx'

export const StateBadge = ({ state }: { state: InternalizationState }) => (
  <Badge tone={toneOf(state)}>{stateWords(state)}</Badge>
)

/** With the reason for which it was entered. */
export const ExplainedState = ({ state }: { state: InternalizationState }) => (
  <>
    <StateBadge state={state} />
    <small>
      <Line text={stateText(state)} chars={200} />
    </small>
  </>
)
