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
  /** the gradient is scaled down to this L2 norm; 0 leaves it alone */
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
 * @returns the gradient's norm before clipping; not finite means that nothing was changed
 */
export const adamWStep = (
  theta: Float32Array,
  gradient: Float32Array,
  state: AdamWState,
  { learningRate, weightDecay, clipNorm }: AdamWOptions
): number => {
  const gradientNorm = norm(gradient)
  if (!Number.isFinite(gradientNorm)) return gradientNorm
  const { m, v } = state
  const step = ++state.step
  const scale = clipNorm > 0 && gradientNorm > clipNorm ? clipNorm / gradientNorm : 1
  const rate = learningRate / (1 - BETA1 ** step)
  const variance = 1 / (1 - BETA2 ** step)
  const decay = 1 - learningRate * weightDecay
  for (let i = 0; i < theta.length; i++) {
    const g = gradient[i]! * scale
    const mean = (m[i] = BETA1 * m[i]! + (1 - BETA1) * g)
    const square = (v[i] = BETA2 * v[i]! + (1 - BETA2) * g * g)
    theta[i] = theta[i]! * decay - (rate * mean) / (Math.sqrt(square * variance) + EPSILON)
  }
  return gradientNorm
}
