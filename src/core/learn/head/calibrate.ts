/** Temperature scaling: one number that makes probabilities as sure as they are right. */
import { largest } from '../algebra/vectors.ts'

/** Limits of the temperature; beyond them the logits say nothing, or nothing but the best class. */
const LOWEST = 0.05
const HIGHEST = 20
/** Halvings of the range of ln(temperature), 6 wide: precise to 2e-7. */
const HALVINGS = 25

/**
 * Share of the other classes in a row's target. With targets of 0 and 1, heads that get all rows right
 * would be calibrated to certainty; with this a hundred right rows leave a doubt of 1 %
 * (Platt 1999, "Probabilistic outputs for support vector machines", section 2.2.1).
 */
const doubtOf = (rows: number): number => 1 / (rows + 2)

/**
 * The rows' negative log probabilities at a temperature, summed, and the slope in 1/temperature of
 * the same sum with doubt in the targets.
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
  const doubt = doubtOf(labels.length)
  for (let row = 0; row < labels.length; row++) {
    const from = row * classes
    const right = logits[from + labels[row]!]!
    const highest = largest(logits, from, classes)
    let sum = 0
    let weighted = 0
    let total = 0
    for (let c = from; c < from + classes; c++) {
      const logit = logits[c]!
      const share = Math.exp((logit - highest) / temperature)
      sum += share
      weighted += share * logit
      total += logit
    }
    loss += Math.log(sum) + (highest - right) / temperature
    const others = (total - right) / (classes - 1)
    slope += weighted / sum - (1 - doubt) * right - doubt * others
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
