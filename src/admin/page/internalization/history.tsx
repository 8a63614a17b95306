/** What happened to the internalization, when, by whom, and why. */
import type {
  HistoryEntry,
  InternalizationPlan,
  InternalizationState,
} from '../../../core/internalization/internalization.ts'
import { changeText } from '../../../lifecycle/rollout-report.ts'
import { Time } from '../parts/figures.tsx'
import { stateWords } from '../../../views/say-state.ts'
import { Table } from '../parts/table.tsx'
import { Text } from '../parts/text.tsx'

const stateText = (state: InternalizationState, plan: InternalizationPlan | null): string => {
  const arm = state.name === 'training' ? plan?.arms[state.arm] : undefined
  return state.name === 'training' && arm !== undefined
    ? `${stateWords(state)}: ${arm.name}, stage ${state.stage + 1} of ${arm.stages.length}`
    : stateWords(state)
}

interface HistoryProps {
  history: HistoryEntry[]
  plan: InternalizationPlan | null
}

export const History = ({ history, plan }: HistoryProps) => (
  <section>
    <Table
      caption="Changes of its state, the newest first"
      columns={['Time (UTC)', 'State', 'By', 'Why']}
      rows={history
        .toReversed()
        .map((entry) => [
          <Time at={entry.at} />,
          stateText(entry.to, plan),
          entry.by,
          <Text text={changeText(entry)} />,
        ])}
      empty="There are no changes yet."
    />
  </section>
)
