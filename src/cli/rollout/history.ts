/** The stages that internalizations entered after going live, and why. */
import {
  rolloutStageOf,
  type HistoryEntry,
  type Internalization,
} from '../../core/lifecycle/internalization.ts'
import { stageName } from '../../core/rollout/stages.ts'
import { capitalText, lossText } from '../../lifecycle/rollout-report.ts'
import type { Store } from '../../store/store.ts'
import { minuteText } from '../output.ts'

type State = Internalization['state']

interface RolloutHistory {
  id: string
  history: HistoryEntry[]
}

/** Of all that went live. */
export const historiesOf = async (
  { internalizations }: Store,
  rows: readonly Internalization[]
): Promise<RolloutHistory[]> => {
  const histories: RolloutHistory[] = []
  for (const { id } of rows) {
    const history = (await internalizations.history(id)).filter(
      ({ from, to }) => to.name === 'live' || from?.name === 'live'
    )
    if (history.length > 0) histories.push({ id, history })
  }
  return histories
}

const entryText = ({ at, by, to }: HistoryEntry): string => {
  const stage = rolloutStageOf(to)
  const reason = reasonText(to)
  const became = stage === null ? to.name : stageName(stage)
  return `  ${minuteText(at)} ${became}, by ${by}${reason === '' ? '' : `: ${reason}`}`
}

const reasonText = (state: State): string => {
  if (state.name === 'retired') return state.reason
  if (state.name !== 'live' || state.evidence === undefined) return ''
  return `${lossText(state.evidence)}; evidence ${capitalText(state.evidence.step)}`
}

/** One line for each stage that a live internalization entered, and for its end. */
export const historyText = ({ id, history }: RolloutHistory): string =>
  [`rollout of ${id}`, ...history.map(entryText)].join('\n')
