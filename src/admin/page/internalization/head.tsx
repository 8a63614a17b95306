/** The head of the page: where the internalization stands, in sentences. */
import { Live } from '../layout.tsx'
import { Time } from '../parts/figures.tsx'
import { InternalizationLink, TemplateName } from '../parts/links.tsx'
import { StateBadge } from '../parts/state.tsx'
import { Text } from '../parts/text.tsx'
import type { InternalizationFacts } from './load-internalization.ts'
import { sayState } from './say/say-state.ts'
import type { Internalization } from '../../../core/internalization/internalization.ts'
import type { RolloutSettings } from '../../../core/rollout/stages.ts'

interface HeadProps {
  facts: InternalizationFacts
  rollout: RolloutSettings
}

/** The one that it follows, or tries again. */
const predecessorOf = ({ plan, state }: Internalization): string | null => {
  const cause = state.name === 'candidate' ? (state.successor ?? state.retry) : plan?.successor
  return cause?.of ?? null
}

export const Head = ({ facts, rollout }: HeadProps) => {
  const { row, name, history } = facts
  const predecessor = predecessorOf(row)
  const { says, helps, reason } = sayState({
    ...facts,
    rollout,
    by: history.at(-1)?.by ?? 'worker',
  })
  return (
    <Live id="head">
      <div class="panel">
        <p>
          <StateBadge state={row.state} />
        </p>
        {says.map((sentence) => (
          <p>
            <Text text={sentence} />
          </p>
        ))}
        {helps !== null && (
          <p>
            <strong>What helps:</strong> {helps}
          </p>
        )}
        {reason !== null && (
          <p>
            <strong>The reason as it was recorded:</strong> <Text text={reason} />
          </p>
        )}
        <small>
          Of the template <TemplateName version={row.templateVersion} name={name} />
          {predecessor !== null && (
            <>
              , after <InternalizationLink id={predecessor} />
            </>
          )}
          , begun <Time at={row.createdAt} />
        </small>
      </div>
    </Live>
  )
}
