/**
 * How long a GPU takes for counted kernels, and the share of its peak that is useful. Pure. Each kernel
 * takes as long as its operations or its bytes do, whichever is longer (Williams 2009, the roofline
 * model); a pass takes as long as its kernels or their launches do, for launches run ahead.
 */

export interface Gpu {
  /** operations a second of dense products in bfloat16 */
  peak: number
  /** bytes a second of its memory */
  bandwidth: number
  memoryBytes: number
}

/** By NVIDIA's data sheets: H100 SXM, and L4 at half of its figure with sparsity. */
export const GPUS = {
  H100: { peak: 989e12, bandwidth: 3.35e12, memoryBytes: 80e9 },
  L4: { peak: 121e12, bandwidth: 0.3e12, memoryBytes: 24e9 },
} satisfies Record<string, Gpu>

/** Shares of the data sheet's rates that kernels reach. */
export interface Rates {
  product: number
  attention: number
  attentionBackward: number
  bandwidth: number
}

/**
 * What is expected until it is measured. On an H100 FlashAttention 2 reaches 0.37 of the data sheet forward
 * (FlashAttention-3, arXiv 2407.08608, figure 5), FlexAttention nine tenths of that, and less backward;
 * copies nine tenths of the bandwidth; large products in cuBLAS some 0.7, as the clock falls under load.
 */
const EXPECTED: Rates = {
  product: 0.7,
  attention: 0.33,
  attentionBackward: 0.27,
  bandwidth: 0.9,
}

/** The data sheet is the roofline itself, which no kernel beats. */
export const RATES = {
  expected: EXPECTED,
  roofline: { product: 1, attention: 1, attentionBackward: 1, bandwidth: 1 },
} satisfies Record<string, Rates>

/** Seconds until torch has started another kernel from Python, its autograd included. */
const LAUNCH_SECONDS = 5e-6
/** AdamW in float32: weight, gradient and both moments read, all but the gradient written; once more for the norm. */
const OPTIMIZER_BYTES = 4 * (4 + 3 + 2)
/** Side of the blocks that attention computes. */
const BLOCK = 128

export interface Kernel {
  op: string
  kind: 'product' | 'attention' | 'norm' | 'other'
  is_backward: boolean
  count: number
  flops: number
  bytes: number
}

/** A forward and backward pass, as count_step.py counts it. */
export interface CountedPass {
  tokens: number
  labels: number
  /** kept for the backward pass */
  saved_bytes: number
  /** of packing rows on the CPU */
  host_seconds: number
  kernels: Kernel[]
}

/**
 * Pairs of query and key in the blocks that hold a pair which the mask lets through.
 * @param prefix tokens that all rows see; 0: rows are sequences of their own
 * @param rowTokens of each row behind it
 */
export const computedPairs = (prefix: number, rowTokens: number[]): number => {
  const blocks = (tokens: number): number => Math.ceil(tokens / BLOCK)
  if (prefix === 0)
    return rowTokens.reduce((sum, n) => sum + (BLOCK ** 2 * blocks(n) * (blocks(n) + 1)) / 2, 0)
  const starts = rowTokens.map((_, row) =>
    rowTokens.slice(0, row).reduce((sum, n) => sum + n, prefix)
  )
  const total = rowTokens.reduce((sum, n) => sum + n, prefix)
  let count = 0
  for (let block = 0; block < blocks(total); block++) {
    // the row that its first query belongs to; the prefix is one row
    const own = starts.findLast((start) => start <= block * BLOCK) ?? 0
    const first = Math.floor(own / BLOCK)
    count += block - first + 1 + Math.min(first, blocks(prefix))
  }
  return count * BLOCK ** 2
}

export interface PassCost {
  /** of the forward part alone */
  forwardSeconds: number
  kernelSeconds: number
  launchSeconds: number
}

/**
 * @param attentionFlops of one layer's forward pass, for its kernel; backward are five products instead
 * of two, for the scores are computed again
 */
export const costOf = (
  { kernels }: CountedPass,
  attentionFlops: number,
  gpu: Gpu,
  rates: Rates
): PassCost => {
  const cost: PassCost = { forwardSeconds: 0, kernelSeconds: 0, launchSeconds: 0 }
  for (const { kind, is_backward: isBackward, count, flops, bytes } of kernels) {
    const isAttention = kind === 'attention'
    const operations = isAttention ? attentionFlops * (isBackward ? 2.5 : 1) : flops
    const attentionRate = isBackward ? rates.attentionBackward : rates.attention
    const rate = isAttention ? attentionRate : rates.product
    const seconds =
      count * Math.max(operations / (rate * gpu.peak), bytes / (rates.bandwidth * gpu.bandwidth))
    cost.kernelSeconds += seconds
    if (!isBackward) cost.forwardSeconds += seconds
    cost.launchSeconds += count * LAUNCH_SECONDS
  }
  return cost
}

/**
 * Seconds of a step of one pass. Packing waits for the pass before, whose loss is read.
 * @param loraParameters trained
 * @param recomputes whether the forward pass runs again for the backward pass
 */
export const stepSeconds = (
  pass: CountedPass,
  cost: PassCost,
  {
    gpu,
    rates,
    loraParameters,
    recomputes,
  }: {
    gpu: Gpu
    rates: Rates
    loraParameters: number
    recomputes: boolean
  }
): number => {
  const again = recomputes ? cost.forwardSeconds : 0
  const optimizer = (OPTIMIZER_BYTES * loraParameters) / (rates.bandwidth * gpu.bandwidth)
  return Math.max(cost.kernelSeconds + again, cost.launchSeconds) + optimizer + pass.host_seconds
}
