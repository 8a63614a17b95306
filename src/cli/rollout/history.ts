/** The states of internalizations that a person wants to know of, and why they were entered. */
import {
  rolloutStageOf,
  type HistoryEntry,
  type Internalization,
} from '../../core/internalization/internalization.ts'
import { shortId } from '../../core/template/name.ts'
import { stageName } from '../../core/rollout/stages.ts'
import { changeText } from '../../lifecycle/rollout-report.ts'
import type { Store } from '../../store/store.ts'
import { minuteText } from '../../core/days.ts'

interface RolloutHistory {
  id: string
  history: HistoryEntry[]
}

/** The rollouts of all that went live, and whatever a person decided with a note. */
export const historiesOf = async (
  { internalizations }: Store,
  rows: readonly Internalization[]
): Promise<RolloutHistory[]> => {
  const histories: RolloutHistory[] = []
  for (const { id } of rows) {
    const history = (await internalizations.history(id)).filter(
      ({ from, to, note }) => to.name === 'live' || from?.name === 'live' || note !== null
    )
    if (history.length > 0) histories.push({ id, history })
  }
  return histories
}

const entryText = (entry: HistoryEntry): string => {
  const { at, by, to } = entry
  const stage = rolloutStageOf(to)
  const became = stage === null ? to.name : stageName(stage)
  const why = changeText(entry)
  return `  ${minuteText(at)} ${became}, by ${by}${why === '' ? '' : `: ${why}`}`
}

/** One line for each of the states. */
export const historyText = ({ id, history }: RolloutHistory): string =>
  [`history of ${shortId(id)}`, ...history.map(entryText)].join('\n')
