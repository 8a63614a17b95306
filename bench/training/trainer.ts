/**
 * One optimizer step as training makes it, on rows of random tokens, for benchmarks. Without a model:
 * random weights in the shape of SmolLM2-135M.
 */
import { adamWStep, createAdamW } from '../../adapters/onnx/gradient/adamw.ts'
import { packBatch, type PackedBatch } from '../../adapters/onnx/train/batch.ts'
import type { TokenizedRow } from '../../adapters/text/rows.ts'
import { type LlamaConfig, elements, modelTensors } from '../../adapters/model/llama-config.ts'
import { createLoraLayout, initLora } from '../../adapters/lora/lora-layout.ts'
import { tokenBlocks } from '../../adapters/onnx/train/token-blocks.ts'
import { TrainingSession } from '../../adapters/onnx/train/training-session.ts'
import { openFrozenModel, type FrozenModel } from '../../adapters/onnx/train/weights-file.ts'
import { loadModel } from '../../adapters/onnx/load-model.ts'
import { seededRandom } from '../../src/random.ts'

export const RANK = 16
export const THREADS = 2
/** ids that every model's vocabulary has */
const TOKEN_IDS = 2048

export const SMOL_SHAPE: LlamaConfig = {
  vocabSize: 49152,
  hiddenSize: 576,
  layers: 30,
  heads: 9,
  kvHeads: 3,
  headDim: 64,
  intermediateSize: 1536,
  ropeTheta: 100_000,
  rmsNormEps: 1e-5,
  maxPositions: 8192,
  tiedEmbeddings: true,
}

export const random = seededRandom(1)

export const openModel = async (
  path: string | undefined,
  cacheDir: string,
  layers: number
): Promise<FrozenModel> => {
  if (path !== undefined) {
    const loaded = await loadModel(path)
    try {
      return await openFrozenModel(cacheDir, loaded)
    } finally {
      loaded.close()
    }
  }
  const config = { ...SMOL_SHAPE, layers }
  const dims = new Map(modelTensors(config).map((tensor) => [tensor.name, tensor.dims]))
  const float32 = (name: string): Float32Array => {
    const shape = dims.get(name)!
    const scale = shape.length === 1 ? 0 : 1.7 / Math.sqrt(shape[1]!)
    const values = new Float32Array(elements(shape))
    for (let i = 0; i < values.length; i++)
      values[i] = shape.length === 1 ? 1 : (2 * random() - 1) * scale
    return values
  }
  const model = { config, weights: { float32 }, fingerprint: `random-${layers}-layers` }
  return openFrozenModel(cacheDir, model)
}

export const milliseconds = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now()
  await work()
  return performance.now() - start
}

const randomTokens = (length: number): number[] =>
  Array.from({ length }, () => Math.floor(random() * TOKEN_IDS))

const randomRow = (
  prefix: number[],
  promptTokens: number,
  completionTokens: number
): TokenizedRow => ({
  promptIds: [...prefix, ...randomTokens(promptTokens)],
  completionIds: randomTokens(completionTokens),
  weight: 1,
})

export interface RowShape {
  rows: number
  prefixTokens: number
  promptTokens: number
  completionTokens: number
}

/** Rows behind one prefix. */
export const randomRows = (shape: RowShape): TokenizedRow[] => {
  const prefix = randomTokens(shape.prefixTokens)
  return Array.from({ length: shape.rows }, () =>
    randomRow(prefix, shape.promptTokens, shape.completionTokens)
  )
}

export interface Trainer {
  step(batch: PackedBatch): Promise<void>
  /** rows laid out for its graph */
  pack(rows: TokenizedRow[]): PackedBatch
  close(): Promise<void>
}

/** A whole optimizer step, as training makes it. */
export const openTrainer = async (
  model: FrozenModel,
  prefixTokens: number,
  maxPositions: number
): Promise<Trainer> => {
  const layout = createLoraLayout(model.config, RANK, 2 * RANK)
  const blocks = tokenBlocks(prefixTokens, maxPositions)
  const session = await TrainingSession.open({
    model,
    layout,
    ...blocks,
    maxPositions,
    gradients: true,
    threads: THREADS,
  })
  const theta = initLora(layout, random)
  const state = createAdamW(layout.length)
  return {
    pack: (rows) => packBatch(rows, model.config, blocks),
    step: async (batch) => {
      const { gradient } = await session.run(batch, theta)
      const groups = [{ until: theta.length, learningRate: 1e-4, weightDecay: 0 }]
      adamWStep(theta, gradient, state, { groups, clipNorm: 1 })
    },
    close: () => session.close(),
  }
}
