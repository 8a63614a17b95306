/** What became of a request, in words. Pure. */
import type { RouteOutcome, StoredRecord } from '../../../core/log/record.ts'
import { Badge } from '../parts/figures.tsx'
import type { Tone } from '../../../views/facts.ts'
import { reasonText } from '../parts/reason-text.ts'

export const OUTCOME_WORDS: Record<RouteOutcome['outcome'] | 'bought', string> = {
  answered: 'answered by the small model',
  fallback: 'answer of the small model not used',
  skipped: 'small model not asked',
  bought: 'bought for a move to this model',
}

/** In a list, whose heading says that it is about the route. */
const SHORT_WORDS: Record<RouteOutcome['outcome'], string> = {
  answered: 'small model answered',
  fallback: 'answer not used',
  skipped: 'not asked',
}

const TONES: Record<RouteOutcome['outcome'], Tone> = {
  answered: 'good',
  fallback: 'waits',
  skipped: 'plain',
}

interface OutcomeProps {
  record: Pick<StoredRecord, 'route' | 'bought'>
  isShort?: boolean
}

/** Without a live route for the request there is nothing to say. */
export const Outcome = ({ record: { route, bought }, isShort }: OutcomeProps) => {
  if (bought !== undefined) return <Badge tone="plain">{OUTCOME_WORDS.bought}</Badge>
  return route === null ? (
    <>no live route</>
  ) : (
    <>
      <Badge tone={TONES[route.outcome]}>
        {(isShort === true ? SHORT_WORDS : OUTCOME_WORDS)[route.outcome]}
      </Badge>
      {route.reason !== null && <small>{reasonText(route.reason)}</small>}
    </>
  )
}
