/** Folds for cross-validation: groups stay whole, labels are spread evenly where groups allow it. */
import { groupBy } from '../../group-by.ts'
import { seededRandom, shuffle } from '../../../random.ts'

/**
 * Assigns each row a fold, 0 to `folds` − 1. The largest groups are placed first; a group goes to the
 * fold that has the smallest shares of its labels, then the fewest rows. There are fewer folds than asked
 * for when there are fewer groups.
 * @param groups one entry a row: rows of one group share a fold
 * @param labels one entry a row
 */
export const assignFolds = (
  groups: readonly string[],
  labels: Int32Array,
  classes: number,
  { folds, seed }: { folds: number; seed: number }
): { fold: Int32Array; folds: number } => {
  const rows = groups.map((group, place) => ({ group, place, label: labels[place]! }))
  const members = shuffle([...groupBy(rows, ({ group }) => group).values()], seededRandom(seed))
  members.sort((one, other) => other.length - one.length)
  const count = Math.min(folds, members.length)
  const rowsOf = new Float64Array(count)
  const total = new Float64Array(classes)
  for (const label of labels) total[label]! += 1
  /** share of a label's rows that a fold has: a rare label counts as much as a frequent one */
  const shareOf = new Float64Array(count * classes)
  const fold = new Int32Array(labels.length)
  for (const group of members) {
    let best = 0
    let bestShared = Infinity
    for (let candidate = 0; candidate < count; candidate++) {
      let shared = 0
      for (const { label } of group) shared += shareOf[candidate * classes + label]!
      if (shared > bestShared) continue
      if (shared === bestShared && rowsOf[candidate]! >= rowsOf[best]!) continue
      best = candidate
      bestShared = shared
    }
    for (const { place, label } of group) {
      fold[place] = best
      rowsOf[best]! += 1
      shareOf[best * classes + label]! += 1 / total[label]!
    }
  }
  return { fold, folds: count }
}
