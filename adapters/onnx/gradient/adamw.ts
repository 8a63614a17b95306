/** AdamW over one flat vector (Loshchilov and Hutter 2019, algorithm 2), with gradient clipping. */

export interface AdamWState {
  step: number
  /** first and second moments, as long as the parameters */
  m: Float32Array
  v: Float32Array
}

/** A part of the parameters with settings of its own; it begins where the one before ends. */
export interface AdamWGroup {
  /** number of the first parameter behind it */
  until: number
  learningRate: number
  weightDecay: number
}

const BETA1 = 0.9
const BETA2 = 0.999
const EPSILON = 1e-8

export const createAdamW = (length: number): AdamWState => ({
  step: 0,
  m: new Float32Array(length),
  v: new Float32Array(length),
})

const norm = (values: Float32Array): number => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!
  return Math.sqrt(sum)
}

/**
 * One step in place, on `theta` and on the state.
 * @param groups in the order of the parameters, the last one up to their end
 * @param clipNorm largest L2 norm of the whole gradient, which is scaled down to it; 0 for no limit
 * @returns the gradient's norm before clipping; when it is not finite, nothing is changed
 */
export const adamWStep = (
  theta: Float32Array,
  gradient: Float32Array,
  state: AdamWState,
  { groups, clipNorm }: { groups: readonly AdamWGroup[]; clipNorm: number }
): number => {
  const gradientNorm = norm(gradient)
  if (!Number.isFinite(gradientNorm)) return gradientNorm
  const step = ++state.step
  let from = 0
  for (const { until, learningRate, weightDecay } of groups) {
    updateInPlace(theta, gradient, state, {
      from,
      until,
      scale: clipNorm > 0 && gradientNorm > clipNorm ? clipNorm / gradientNorm : 1,
      rate: learningRate / (1 - BETA1 ** step),
      variance: 1 / (1 - BETA2 ** step),
      decay: 1 - learningRate * weightDecay,
    })
    from = until
  }
  return gradientNorm
}

interface Factors {
  /** the parameters that are updated */
  from: number
  until: number
  /** of the gradient */
  scale: number
  /** the learning rate and both moments' corrections for their start at zero */
  rate: number
  variance: number
  /** of the parameters, for weight decay */
  decay: number
}

/** A separate function, because the compiler optimizes a loop over a function's arguments better. */
const updateInPlace = (
  theta: Float32Array,
  gradient: Float32Array,
  { m, v }: AdamWState,
  { from, until, scale, rate, variance, decay }: Factors
): void => {
  for (let i = from; i < until; i++) {
    const g = gradient[i]! * scale
    const mean = BETA1 * m[i]! + (1 - BETA1) * g
    const square = BETA2 * v[i]! + (1 - BETA2) * g * g
    m[i] = mean
    v[i] = square
    theta[i] = theta[i]! * decay - (rate * mean) / (Math.sqrt(square * variance) + EPSILON)
  }
}
