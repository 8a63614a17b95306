/** chrF, the character n-gram F-score for short text. */

const MAX_ORDER = 6
/** Recall counts twice as much as precision. */
const BETA = 2

const countNgrams = (text: string[], order: number): Map<string, number> => {
  const counts = new Map<string, number>()
  for (let i = 0; i + order <= text.length; i++) {
    const gram = text.slice(i, i + order).join('')
    counts.set(gram, (counts.get(gram) ?? 0) + 1)
  }
  return counts
}

const sumOf = (counts: Map<string, number>): number =>
  [...counts.values()].reduce((sum, count) => sum + count, 0)

const overlap = (a: Map<string, number>, b: Map<string, number>): number => {
  let shared = 0
  for (const [gram, count] of a) shared += Math.min(count, b.get(gram) ?? 0)
  return shared
}

/**
 * chrF2 of Popović 2015 (W15-3049): precision and recall of character n-grams of orders 1 to 6
 * without blanks, averaged over the orders that both texts have, combined with beta 2.
 * @returns 0 to 1; 0 when either text is empty
 */
export const chrF = (hypothesis: string, reference: string): number => {
  const [a, b] = [hypothesis, reference].map((text) => [...text.replace(/\s+/g, '')])
  let [precision, recall, orders] = [0, 0, 0]
  for (let order = 1; order <= MAX_ORDER; order++) {
    const [first, second] = [countNgrams(a!, order), countNgrams(b!, order)]
    const [sizeA, sizeB] = [sumOf(first), sumOf(second)]
    if (sizeA === 0 || sizeB === 0) break
    const shared = overlap(first, second)
    precision += shared / sizeA
    recall += shared / sizeB
    orders++
  }
  if (orders === 0 || precision + recall === 0) return 0
  const [p, r] = [precision / orders, recall / orders]
  return ((1 + BETA ** 2) * p * r) / (BETA ** 2 * p + r)
}
