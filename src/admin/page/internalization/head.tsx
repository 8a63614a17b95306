/** The head of the page: where the internalization stands, in a sentence or two and the figures of its promise. */
import type { Internalization } from '../../../core/internalization/internalization.ts'
import { stageName, type RolloutSettings, type RolloutStage } from '../../../core/rollout/stages.ts'
import { stageProgress } from '../../../lifecycle/rollout-report.ts'
import { recordPath } from '../address.ts'
import { Badge, Figures, Time, type FigureProps } from '../parts/figures.tsx'
import { counted, percent } from '../../../core/figure-text.ts'
import { InternalizationLink, TemplateName } from '../links.tsx'
import { StateBadge } from '../parts/state.tsx'
import { Text } from '../parts/text.tsx'
import type { InternalizationFacts } from './load-internalization.ts'
import { liveAgreement, promiseOf, standingOf, type Agreement } from '../../../views/say-verdict.ts'
import { sayState } from '../../../views/say-state.ts'

interface HeadProps {
  facts: InternalizationFacts
  rollout: RolloutSettings
}

/** The one that it follows, or tries again. */
const predecessorOf = ({ plan, state }: Internalization): string | null => {
  const cause = state.name === 'candidate' ? (state.successor ?? state.retry) : plan?.successor
  return cause?.of ?? null
}

/** @param of what was compared */
const agreementFigure = (agreement: Agreement, of: string): FigureProps => {
  const { tone, words } = standingOf(agreement)
  return {
    name: `Agreement, promised ${percent(agreement.promised)}`,
    value: percent(agreement.observed),
    note: (
      <>
        at least {percent(agreement.bound)}, on {of} <Badge tone={tone}>{words}</Badge>
      </>
    ),
  }
}

const waitingFigures = ({ row: { verdict } }: InternalizationFacts): FigureProps[] => {
  const winner = verdict?.arms[verdict.arm]
  if (!verdict || winner === undefined) return []
  const { agreementAnswered: observed, agreementAnsweredBound: bound, coverage, samples } = winner
  return [
    agreementFigure(
      { observed, bound, promised: promiseOf(verdict) },
      counted(samples.traffic.answered, 'held-out request')
    ),
    {
      name: 'Would answer',
      value: percent(coverage),
      note: 'of the requests, without the prompt',
    },
  ]
}

const liveFigures = (
  stage: RolloutStage,
  { facts: { row, report }, rollout }: HeadProps
): FigureProps[] => {
  const { evidence } = stageProgress(stage, report, rollout)
  const agreement = liveAgreement(evidence)
  const proven = row.verdict?.arms[row.verdict.arm]
  return [
    agreement === null || evidence === null
      ? {
          name: 'Agreement',
          value: 'not known',
          note: 'no answers were compared yet',
        }
      : agreementFigure(agreement, counted(evidence.pairs, 'compared conversation')),
    {
      name: 'Stage',
      value: stageName(stage),
      ...(proven !== undefined && {
        note: `it can answer ${percent(proven.coverage)} of the requests`,
      }),
    },
  ]
}

/** Of a promise that is kept, or would be; none where there is none to keep. */
export const PromiseFigures = (props: HeadProps) => {
  const { state } = props.facts.row
  if (state.name === 'approval') return <Figures figures={waitingFigures(props.facts)} />
  return state.name === 'live' ? <Figures figures={liveFigures(state.stage, props)} /> : null
}

export const Head = ({ facts, rollout }: HeadProps) => {
  const { row, name, history } = facts
  const predecessor = predecessorOf(row)
  const { says, helps, example, reason } = sayState({
    ...facts,
    rollout,
    by: history.at(-1)?.by ?? 'worker',
  })
  return (
    <>
      <p class="lead">
        <StateBadge state={row.state} /> <Text text={says[0] ?? ''} />
      </p>
      {says.slice(1).map((sentence) => (
        <p>
          <Text text={sentence} />
        </p>
      ))}
      {reason !== null && (
        <p>
          <strong>The reason:</strong> <Text text={reason} />
        </p>
      )}
      {helps !== null && (
        <p>
          <strong>What helps:</strong> {helps}{' '}
          {example !== null && <a href={recordPath(example)}>An example</a>}
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
    </>
  )
}
