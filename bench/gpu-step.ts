/**
 * The share of a GPU's peak that training reaches, estimated on paper: the trainer's own step is counted
 * without a GPU (gpu/count_step.py), and each kernel takes what the roofline says (gpu/roofline.ts).
 *
 *   npm run bench:gpu-step -- --out step.json [--models 0.6B,4B,8B] [--gpus H100,L4]
 *
 * ENGINE_PYTHON names a Python with the trainer's packages. docs/experiments.md#gpu-step
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LINEAR_LAYERS, linearShape } from '../adapters/model/llama-config.ts'
import { TRAINER } from '../test/kit/process/gpu-process.ts'
import { withBar, type Figures } from '../test/kit/report.ts'
import { fromRoot } from '../test/kit/process/from-root.ts'
import {
  computedPairs,
  costOf,
  GPUS,
  RATES,
  stepSeconds,
  type CountedPass,
  type Gpu,
  type Rates,
} from './gpu/roofline.ts'
import { QWEN3_SHAPES, qwen3Config, type Qwen3Size } from './gpu/shapes.ts'
import { benchmark } from './harness/measure.ts'
import { partsOf, readOptions } from './harness/options.ts'
import { causalPairs, usefulOperations, type StepShape } from './training/useful-operations.ts'

const RANK = 16
const BAR = 0.3
/** Of the GPU's memory, training's part beside a vLLM with the default ENGINE_VLLM_MEMORY. */
const TRAINING_SHARE = 0.5
const WEIGHT_BYTES = 2
/** Of each logit, beside what is saved: the logits themselves, and float32 or their gradient. */
const LOGIT_BYTES = 2 + 4

/** Rows of a pass, in tokens. */
interface Workload {
  rows: number
  prefix: number
  prompt: number
  completion: number
}

/** Rows of 20 + 20 tokens behind a prompt of 800, as many as a pass of so many tokens holds. */
const packed = (passTokens: number): Workload => ({
  rows: Math.floor((passTokens - 800) / 39),
  prefix: 800,
  prompt: 20,
  completion: 20,
})

/** Tokens of a pass on a GPU, and its halves down to where activations are computed twice. */
const FULL = {
  full_16384: packed(16_384),
  full_8192: packed(8192),
  full_4096: packed(4096),
  full_2048: packed(2048),
}
/** What the worker asks for of models of a billion parameters and more: 32 rows without their prompt. */
const WORKLOADS = { ...FULL, step: { rows: 32, prefix: 0, prompt: 22, completion: 8 } }
type WorkloadName = keyof typeof WORKLOADS

const args = readOptions({
  models: Object.keys(QWEN3_SHAPES).join(),
  gpus: Object.keys(GPUS).join(),
})

const rowTokens = ({ rows, prompt, completion }: Workload): number[] =>
  Array.from({ length: rows }, () => prompt + completion - 1)

/** Pairs that the mask lets through. */
const pairsOf = (workload: Workload): number =>
  rowTokens(workload).reduce(
    (sum, own) => sum + own * workload.prefix + causalPairs(own),
    causalPairs(workload.prefix)
  )

const parametersOf = (shape: StepShape, of: (inputs: number, outputs: number) => number): number =>
  shape.layers *
  LINEAR_LAYERS.reduce((sum, linear) => {
    const { in: inputs, out: outputs } = linearShape(shape, linear)
    return sum + of(inputs, outputs)
  }, 0)

interface Estimate {
  workload: WorkloadName
  tokens: number
  recomputes: boolean
  seconds: number
  share: number
  kernels: number
}

const estimate = (
  size: Qwen3Size,
  workload: WorkloadName,
  pass: CountedPass,
  { gpu, rates, recomputes }: { gpu: Gpu; rates: Rates; recomputes: boolean }
): Estimate => {
  const shape = QWEN3_SHAPES[size]
  const rows = WORKLOADS[workload]
  const computed = computedPairs(rows.prefix, rowTokens(rows))
  const cost = costOf(pass, 4 * shape.heads * shape.headDim * computed, gpu, rates)
  const loraParameters = RANK * parametersOf(shape, (inputs, outputs) => inputs + outputs)
  const seconds = stepSeconds(pass, cost, { gpu, rates, loraParameters, recomputes })
  const { tokens, labels } = pass
  const useful = usefulOperations(shape, RANK, { tokens, labels, pairs: pairsOf(rows) })
  const kernels = pass.kernels.reduce((sum, { count }) => sum + count, 0)
  return { workload, tokens, recomputes, seconds, share: useful / (seconds * gpu.peak), kernels }
}

/** The largest pass whose activations fit beside the weights; the smallest fits with their recomputation. */
const fitting = (
  size: Qwen3Size,
  passes: Record<WorkloadName, CountedPass>,
  gpu: Gpu
): { name: WorkloadName; recomputes: boolean } => {
  const shape = QWEN3_SHAPES[size]
  const head = shape.vocabSize * shape.hiddenSize * (shape.tiedEmbeddings ? 1 : 2)
  const weights = WEIGHT_BYTES * (parametersOf(shape, (inputs, outputs) => inputs * outputs) + head)
  const free = TRAINING_SHARE * gpu.memoryBytes - weights
  const names = Object.keys(FULL) as (keyof typeof FULL)[]
  const found = names.find((name) => {
    const { saved_bytes: saved, labels } = passes[name]
    return saved + LOGIT_BYTES * labels * shape.vocabSize <= free
  })
  return { name: found ?? 'full_2048', recomputes: found === undefined }
}

const figuresOf = (name: string, all: Record<keyof typeof RATES, Estimate>): Figures => {
  const { expected, roofline } = all
  const isFull = expected.workload !== 'step'
  const share = { value: expected.share, unit: 'share' }
  return {
    [`${name}_share`]: isFull ? withBar(share, '>=', BAR) : share,
    [`${name}_share_by_data_sheet`]: { value: roofline.share, unit: 'share' },
    [`${name}_tokens`]: { value: expected.tokens, unit: 'tokens' },
    [`${name}_recomputes`]: { value: String(expected.recomputes), unit: '' },
    [`${name}_ms`]: { value: 1000 * expected.seconds, unit: 'ms' },
    [`${name}_tokens_per_second`]: { value: expected.tokens / expected.seconds, unit: 'tokens/s' },
    [`${name}_kernels`]: { value: expected.kernels, unit: 'kernels' },
  }
}

const count = (
  sizes: Qwen3Size[],
  folder: string
): Record<string, Record<WorkloadName, CountedPass>> => {
  const request = join(folder, 'request.json')
  const models = Object.fromEntries(sizes.map((size) => [size, qwen3Config(QWEN3_SHAPES[size])]))
  writeFileSync(request, JSON.stringify({ models, rank: RANK, workloads: WORKLOADS }))
  const output = join(folder, 'counted.json')
  execFileSync(TRAINER.python, [fromRoot('bench/gpu/count_step.py'), request, output])
  return JSON.parse(readFileSync(output, 'utf8'))
}

const run = async (folder: string): Promise<Figures> => {
  const sizes = partsOf(args.models, QWEN3_SHAPES) as Qwen3Size[]
  const gpus = partsOf(args.gpus, GPUS) as (keyof typeof GPUS)[]
  const counted = count(sizes, folder)
  const figures: Figures = {}
  for (const gpuName of gpus)
    for (const size of sizes) {
      const gpu = GPUS[gpuName]
      const passes = counted[size]!
      const full = fitting(size, passes, gpu)
      for (const [kind, { name, recomputes }] of [
        ['full', full],
        ['step', { name: 'step' as const, recomputes: false }],
      ] as const) {
        const at = (rates: Rates) => estimate(size, name, passes[name], { gpu, rates, recomputes })
        const both = { expected: at(RATES.expected), roofline: at(RATES.roofline) }
        Object.assign(figures, figuresOf(`${gpuName}_${size}_${kind}`, both))
      }
    }
  return figures
}

await benchmark('gpu-step', args.out, run)
