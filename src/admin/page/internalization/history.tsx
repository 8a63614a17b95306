/** What happened to the internalization, when, by whom, and why. */
import {
  rolloutStageOf,
  type HistoryEntry,
  type InternalizationPlan,
  type InternalizationState,
} from '../../../core/lifecycle/internalization.ts'
import { stageName } from '../../../core/rollout/stages.ts'
import { capitalText, lossText } from '../../../lifecycle/rollout-report.ts'
import { Time } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { Text } from '../parts/text.tsx'

const stateText = (state: InternalizationState, plan: InternalizationPlan | null): string => {
  const stage = rolloutStageOf(state)
  if (stage !== null) return `live, ${stageName(stage)}`
  const arm = state.name === 'training' ? plan?.arms[state.arm] : undefined
  return state.name === 'training' && arm !== undefined
    ? `training of ${arm.name}, stage ${state.stage + 1} of ${arm.stages.length}`
    : state.name
}

/** The state's own reason. */
const reasonOf = (state: InternalizationState): string | null => {
  if (state.name === 'retired' || state.name === 'rejected') return state.reason
  if (state.name === 'failed') return state.cause
  if (state.name !== 'live' || state.evidence === undefined) return null
  return `it disagreed in ${lossText(state.evidence)}; evidence ${capitalText(state.evidence.step)}`
}

interface HistoryProps {
  history: HistoryEntry[]
  plan: InternalizationPlan | null
}

export const History = ({ history, plan }: HistoryProps) => (
  <section>
    <h2>History</h2>
    <Table
      caption="Changes of its state, the newest first"
      columns={[{ name: 'Time (UTC)' }, { name: 'State' }, { name: 'By' }, { name: 'Why' }]}
      rows={history.toReversed().map(({ at, to, by, note }) => {
        const reasons = [...new Set([note, reasonOf(to)])].filter((text) => text !== null)
        return [
          <Time at={at} />,
          stateText(to, plan),
          by,
          reasons.map((text) => (
            <div>
              <Text text={text} />
            </div>
          )),
        ]
      })}
      empty="There are no changes yet."
    />
  </section>
)
