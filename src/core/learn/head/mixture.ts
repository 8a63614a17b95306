/** Two heads on the same rows as one: how much each of them counts. */
import { calibrateTemperature, scaledLoss } from './calibrate.ts'

export interface Mixture {
  /** of the second head, 0 to 0.9 */
  share: number
  temperature: number
  /** mean negative log probability of the right labels, nats per row */
  loss: number
  /** `[rows, classes]`, `1 − share` of the first head's log probabilities and `share` of the second's, over the temperature */
  logits: Float32Array
}

/** Beside none. */
const SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
/** Keeps logarithms finite: the smallest normal number of 32 bits. */
const LEAST = 1.2e-38

const nats = (probability: number): number => Math.log(Math.max(LEAST, probability))

/**
 * The share with the least loss, calibrated (a logarithmic opinion pool: Genest and Zidek 1986, Stat. Sci. 1:114).
 * @param one,other probabilities `[rows, classes]` of heads that were not trained on the rows
 */
export const mixtureOf = (
  one: Float32Array,
  other: Float32Array,
  labels: Int32Array,
  classes: number
): Mixture => {
  const [first, second] = [one.map(nats), other.map(nats)]
  const mixed = (share: number): Mixture => {
    const logits = first.map((value, at) => (1 - share) * value + share * second[at]!)
    const temperature = calibrateTemperature(logits, labels, classes)
    const loss = scaledLoss(logits, labels, classes, temperature).loss / labels.length
    return { share, temperature, loss, logits: logits.map((value) => value / temperature) }
  }
  let best = mixed(0)
  for (const share of SHARES) {
    const next = mixed(share)
    // the loss has one minimum in the share
    if (next.loss >= best.loss) break
    best = next
  }
  return best
}
