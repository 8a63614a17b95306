/** The head of the page: where the internalization stands, in sentences. */
import { Live } from '../layout.tsx'
import { Badge, Time } from '../parts/figures.tsx'
import { templatePath } from '../address.ts'
import { Line, Text } from '../parts/text.tsx'
import type { InternalizationFacts } from './load-internalization.ts'
import { sayState } from './say/say-state.ts'
import type { RolloutSettings } from '../../../core/rollout/stages.ts'

interface HeadProps {
  facts: InternalizationFacts
  rollout: RolloutSettings
}

export const Head = ({ facts, rollout }: HeadProps) => {
  const { row, history } = facts
  const { badge, tone, says, helps, reason } = sayState({
    ...facts,
    rollout,
    by: history.at(-1)?.by ?? 'worker',
  })
  return (
    <Live id="head">
      <div class="panel">
        <p>
          <Badge tone={tone}>{badge}</Badge>
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
          Of the template{' '}
          <a href={templatePath(row.templateVersion)}>
            <Line text={row.templateVersion} />
          </a>
          , begun <Time at={row.createdAt} />
        </small>
      </div>
    </Live>
  )
}
