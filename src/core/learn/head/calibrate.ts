/** Temperature scaling: one number that makes probabilities as sure as they are right. */

/** Limits of the temperature; beyond them the logits say nothing, or nothing but the best class. */
const LOWEST = 0.05
const HIGHEST = 20
/** Halvings of the range of ln(temperature), 6 wide: precise to 2e-7. */
const HALVINGS = 25

/**
 * Sums over the rows of the loss at a temperature and its slope in 1/temperature.
 * @param logits `[rows, classes]`
 */
export const scaledLoss = (
  logits: Float32Array,
  labels: Int32Array,
  classes: number,
  temperature: number
): { loss: number; slope: number } => {
  let loss = 0
  let slope = 0
  for (let row = 0; row < labels.length; row++) {
    const from = row * classes
    const right = logits[from + labels[row]!]!
    let highest = -Infinity
    for (let c = from; c < from + classes; c++) highest = Math.max(highest, logits[c]!)
    let sum = 0
    let weighted = 0
    for (let c = from; c < from + classes; c++) {
      const share = Math.exp((logits[c]! - highest) / temperature)
      sum += share
      weighted += share * logits[c]!
    }
    loss += Math.log(sum) + (highest - right) / temperature
    slope += weighted / sum - right
  }
  return { loss, slope }
}

/**
 * The temperature with the least mean negative log probability (Guo et al. 2017, arXiv 1706.04599,
 * section 4.2). The loss is convex in 1/temperature, so its slope is bisected.
 * @param logits `[rows, classes]` of rows that the weights were not trained on
 */
export const calibrateTemperature = (
  logits: Float32Array,
  labels: Int32Array,
  classes: number
): number => {
  let low = Math.log(LOWEST)
  let high = Math.log(HIGHEST)
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = (low + high) / 2
    // a negative slope: a larger 1/temperature, a lower temperature, is better
    if (scaledLoss(logits, labels, classes, Math.exp(middle)).slope < 0) high = middle
    else low = middle
  }
  return Math.exp((low + high) / 2)
}
