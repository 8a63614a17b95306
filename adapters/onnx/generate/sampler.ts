/**
 * Chooses the next token from a row of log-probabilities.
 */
import { seededRandom } from '../../../src/random.ts'
import type { Constraint } from '../../text/constraint/constraint.ts'
import type { SampledToken, SamplingOptions } from '../../text/tokens.ts'

interface Candidates {
  ids: ArrayLike<number>
  /** log-probability of the i-th candidate */
  logprobs: Float32Array
}

const argmax = (values: Float32Array): number => {
  let best = 0
  // in a variable, which takes a third of the time of reading it from the array again
  let maximum = values[0]!
  for (let i = 1; i < values.length; i++) {
    const value = values[i]!
    if (value > maximum) {
      maximum = value
      best = i
    }
  }
  return best
}

/** Indices of the `count` largest values, largest first. */
export const largest = (values: Float32Array, count: number): number[] => {
  const found: number[] = []
  let floor = -Infinity
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (found.length === count && value <= floor) continue
    let place = found.length
    while (place > 0 && values[found[place - 1]!]! < value) place--
    found.splice(place, 0, i)
    if (found.length > count) found.pop()
    floor = values[found.at(-1)!]!
  }
  return found
}

/** Log-probabilities of the allowed tokens, so that they sum to one. */
const renormalize = (logprobs: Float32Array, ids: number[]): Float32Array => {
  const own = Float32Array.from(ids, (id) => logprobs[id]!)
  const maximum = own[argmax(own)]!
  let sum = 0
  for (const value of own) sum += Math.exp(value - maximum)
  const total = maximum + Math.log(sum)
  return own.map((value) => value - total)
}

/** Draws a candidate's index in proportion to `exp(logprob / temperature)` within the nucleus. */
const draw = (logprobs: Float32Array, options: SamplingOptions, uniform: number): number => {
  const maximum = logprobs[argmax(logprobs)]!
  const weights = new Float64Array(logprobs.length)
  let total = 0
  for (let i = 0; i < weights.length; i++) {
    const exponent = (logprobs[i]! - maximum) / options.temperature
    // weights below e^-40 of the largest vanish in a sum of doubles
    if (exponent > -40) total += weights[i] = Math.exp(exponent)
  }
  // tokens below this weight sum to less than the part outside of the nucleus
  const least = ((1 - options.topP) * total) / weights.length
  const order: number[] = []
  for (let i = 0; i < weights.length; i++)
    if (weights[i]! > 0 && weights[i]! >= least) order.push(i)
  order.sort((a, b) => weights[b]! - weights[a]! || a - b)
  let nucleus = 0
  let count = 0
  while (count < order.length && (count === 0 || nucleus < options.topP * total))
    nucleus += weights[order[count++]!]!
  let rest = uniform * nucleus
  for (let i = 0; i < count; i++) {
    rest -= weights[order[i]!]!
    if (rest < 0) return order[i]!
  }
  return order[count - 1]!
}

/** Tokens that a constraint allows, most probable first; usually only a few are checked. */
const allowedTokens = (
  logprobs: Float32Array,
  constraint: Constraint,
  count: number
): Candidates | null => {
  const allowed: number[] = []
  let tried = 0
  for (const depth of [16, 256, logprobs.length]) {
    const order =
      depth < logprobs.length
        ? largest(logprobs, depth)
        : Array.from(logprobs.keys()).sort((a, b) => logprobs[b]! - logprobs[a]! || a - b)
    for (; tried < order.length; tried++) {
      if (!constraint.allows(order[tried]!)) continue
      allowed.push(order[tried]!)
      if (allowed.length === count) break
    }
    if (allowed.length > 0) break
  }
  if (allowed.length === 0) return null
  return { ids: allowed, logprobs: Float32Array.from(allowed, (id) => logprobs[id]!) }
}

/** Number of allowed tokens to choose from when a predicate is used. */
const SAMPLED_WIDTH = 16

export class Sampler {
  private readonly random: () => number

  constructor(
    private readonly options: SamplingOptions,
    private readonly topLogprobs: number
  ) {
    this.random = seededRandom(options.seed)
  }

  /**
   * @param logprobs `[vocab]`
   * @returns null when the constraint allows no token at all
   */
  choose(logprobs: Float32Array, constraint: Constraint | null): SampledToken | null {
    const list = constraint?.candidates() ?? null
    if (list) {
      const candidates = { ids: list, logprobs: renormalize(logprobs, list) }
      return list.length === 0 ? null : this.pick(candidates, candidates)
    }
    const all = { ids: { length: logprobs.length }, logprobs }
    if (!constraint) return this.pick(all, all)
    const width = this.options.temperature === 0 ? 1 : SAMPLED_WIDTH
    const allowed = allowedTokens(logprobs, constraint, width)
    return allowed && this.pick(allowed, all)
  }

  private pick(from: Candidates, shown: Candidates): SampledToken {
    const { temperature } = this.options
    const index =
      temperature === 0 ? argmax(from.logprobs) : draw(from.logprobs, this.options, this.random())
    const top = this.topLogprobs === 0 ? [] : largest(shown.logprobs, this.topLogprobs)
    return {
      tokenId: from.ids[index] ?? index,
      logprob: from.logprobs[index]!,
      top: top.map((i) => ({ tokenId: shown.ids[i] ?? i, logprob: shown.logprobs[i]! })),
    }
  }
}
