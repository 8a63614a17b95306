/**
 * L-BFGS with a preconditioner, for smooth convex functions (Nocedal and Wright 2006, algorithms 7.4
 * and 7.5). Deterministic: it draws nothing.
 */
import { addScaled, dot, multiply } from './vectors.ts'

export interface MinimizeOptions {
  /** Writes the gradient at `point` into `gradient` and returns the value. */
  evaluate: (point: Float64Array, gradient: Float64Array) => number
  /** Multiplies by an approximate inverse of the second derivatives, in place. */
  precondition: (vector: Float64Array) => void
  /** ends when the gradient's norm, in the measure of the preconditioner, is at most this */
  tolerance: number
  maxIterations: number
}

interface Pair {
  step: Float64Array
  change: Float64Array
  /** 1 / (step · change) */
  rho: number
}

/** Steps that are kept: two vectors each. */
const MEMORY = 10
/** Armijo's condition: the least share of the promised decrease. */
const SUFFICIENT = 1e-4
const MAX_HALVINGS = 30

/** Two-loop recursion: the direction of descent. */
const direction = (
  gradient: Float64Array,
  pairs: readonly Pair[],
  scale: number,
  precondition: MinimizeOptions['precondition']
): Float64Array => {
  const vector = gradient.map((value) => -value)
  // the newest pair first
  const shared = pairs.toReversed().map((pair) => {
    const share = pair.rho * dot(pair.step, vector)
    addScaled(vector, -share, pair.change)
    return { ...pair, share }
  })
  precondition(vector)
  multiply(vector, scale)
  for (const { step, change, rho, share } of shared.toReversed())
    addScaled(vector, share - rho * dot(change, vector), step)
  return vector
}

const solved = (vector: Float64Array, precondition: MinimizeOptions['precondition']) => {
  const copy = vector.slice()
  precondition(copy)
  return copy
}

/**
 * Minimizes from `point`, which is overwritten with the result.
 * @returns evaluations that it took, and whether the tolerance was reached
 */
export const minimize = (
  point: Float64Array,
  { evaluate, precondition, tolerance, maxIterations }: MinimizeOptions
): { evaluations: number; converged: boolean } => {
  const pairs: Pair[] = []
  let scale = 1
  let gradient = new Float64Array(point.length)
  let value = evaluate(point, gradient)
  let solvedGradient = solved(gradient, precondition)
  let evaluations = 1
  for (let iteration = 0; iteration < maxIterations; iteration++) {
    if (dot(gradient, solvedGradient) <= tolerance ** 2) return { evaluations, converged: true }
    const step = direction(gradient, pairs, scale, precondition)
    const slope = dot(gradient, step)
    const next = point.slice()
    const nextGradient = new Float64Array(point.length)
    let nextValue = Infinity
    for (let halving = 0, size = 1; halving < MAX_HALVINGS; halving++, size /= 2) {
      if (halving > 0) multiply(step, 1 / 2)
      next.set(point)
      addScaled(next, 1, step)
      nextGradient.fill(0)
      nextValue = evaluate(next, nextGradient)
      evaluations++
      if (nextValue <= value + SUFFICIENT * size * slope) break
    }
    // float64 cannot resolve a further decrease
    if (!(nextValue < value)) return { evaluations, converged: false }
    const change = nextGradient.slice()
    addScaled(change, -1, gradient)
    const nextSolved = solved(nextGradient, precondition)
    const curvature = dot(step, change)
    if (curvature > 0) {
      pairs.push({ step, change, rho: 1 / curvature })
      if (pairs.length > MEMORY) pairs.shift()
      scale = curvature / (dot(change, nextSolved) - dot(change, solvedGradient))
    }
    point.set(next)
    gradient = nextGradient
    solvedGradient = nextSolved
    value = nextValue
  }
  return { evaluations, converged: false }
}
