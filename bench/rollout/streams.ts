/** Streams of pairs with a known loss: the pairs without one are counted, so a long stream is short. */

/** A loss, and the pairs without one before it. */
export interface Loss {
  gap: number
  /** in [−1, 1], not 0 */
  loss: number
}

/** Pairs before the next one that an event of this chance befalls (geometric). @param chance in (0, 1) */
export const drawGap = (chance: number, random: () => number): number =>
  Math.floor(Math.log1p(-random()) / Math.log1p(-chance))

/**
 * The losses among so many pairs. An event befalls each pair with the same chance and has some loss.
 * @param lossOf of an event, in [−1, 1]; 1 unless given
 */
export const drawLosses = (
  pairs: number,
  chance: number,
  random: () => number,
  lossOf: () => number = () => 1
): Loss[] => {
  const losses: Loss[] = []
  let gap = drawGap(chance, random)
  for (let pair = gap + 1; pair <= pairs;) {
    const loss = lossOf()
    if (loss !== 0) losses.push({ gap, loss })
    const next = drawGap(chance, random)
    gap = loss !== 0 ? next : gap + 1 + next
    pair += next + 1
  }
  return losses
}
