/** AdamW over one flat vector (Loshchilov and Hutter 2019, algorithm 2), with gradient clipping. */

export interface AdamWState {
  step: number
  /** first and second moments, as long as the parameters */
  m: Float32Array
  v: Float32Array
}

export interface AdamWOptions {
  learningRate: number
  weightDecay: number
  /** largest L2 norm of the gradient, which is scaled down to it; 0 for no limit */
  clipNorm: number
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
 * @returns the gradient's norm before clipping; when it is not finite, nothing is changed
 */
export const adamWStep = (
  theta: Float32Array,
  gradient: Float32Array,
  state: AdamWState,
  { learningRate, weightDecay, clipNorm }: AdamWOptions
): number => {
  const gradientNorm = norm(gradient)
  if (!Number.isFinite(gradientNorm)) return gradientNorm
  const step = ++state.step
  updateInPlace(theta, gradient, state, {
    scale: clipNorm > 0 && gradientNorm > clipNorm ? clipNorm / gradientNorm : 1,
    rate: learningRate / (1 - BETA1 ** step),
    variance: 1 / (1 - BETA2 ** step),
    decay: 1 - learningRate * weightDecay,
  })
  return gradientNorm
}

interface Factors {
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
  { scale, rate, variance, decay }: Factors
): void => {
  for (let i = 0; i < theta.length; i++) {
    const g = gradient[i]! * scale
    const mean = BETA1 * m[i]! + (1 - BETA1) * g
    const square = BETA2 * v[i]! + (1 - BETA2) * g * g
    m[i] = mean
    v[i] = square
    theta[i] = theta[i]! * decay - (rate * mean) / (Math.sqrt(square * variance) + EPSILON)
  }
}
