/** Folds for cross-validation: groups stay whole, labels are spread evenly where groups allow it. */
import { groupBy } from '../../group-by.ts'
import { itemAt, zip } from '../../lists.ts'
import { seededRandom, shuffle } from '../../../random.ts'
import { addAt } from '../algebra/vectors.ts'

interface Fold {
  number: number
  rows: number
  /** of each label's rows, `[classes]`: a rare label counts as much as a frequent one */
  shares: Float64Array
}

interface FoldedRow {
  place: number
  label: number
  /** of the label's rows */
  share: number
}

/** The fold that has the smallest shares of a group's labels, then the fewest rows; the first one at a tie. */
const foldFor = (group: readonly FoldedRow[], folds: readonly Fold[]): Fold =>
  folds
    .map((fold) => ({
      fold,
      shared: group.reduce((sum, { label }) => sum + itemAt(fold.shares, label), 0),
    }))
    .reduce((best, one) =>
      one.shared < best.shared || (one.shared === best.shared && one.fold.rows < best.fold.rows)
        ? one
        : best
    ).fold

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
  const total = new Float64Array(classes)
  for (const label of labels) addAt(total, label, 1)
  const rows = zip(groups, [...labels]).map(([group, label], place) => ({
    group,
    place,
    label,
    share: 1 / itemAt(total, label),
  }))
  const members = shuffle([...groupBy(rows, ({ group }) => group).values()], seededRandom(seed))
  members.sort((one, other) => other.length - one.length)
  const parts = Array.from({ length: Math.min(folds, members.length) }, (_, number): Fold => ({
    number,
    rows: 0,
    shares: new Float64Array(classes),
  }))
  const fold = new Int32Array(labels.length)
  for (const group of members) {
    const part = foldFor(group, parts)
    part.rows += group.length
    for (const { place, label, share } of group) {
      fold[place] = part.number
      addAt(part.shares, label, share)
    }
  }
  return { fold, folds: parts.length }
}
