/**
 * A training or loss graph in onnxruntime: takes packed batches and returns losses and gradient.
 */
import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { tensorOf } from '../gradient/packed-input.ts'
import type { PackedBatch } from './batch.ts'
import type { LoraLayout } from '../../lora/lora-layout.ts'
import { buildTrainingGraph } from './training-graph.ts'
import type { FrozenModel } from './weights-file.ts'

export interface TrainingSessionOptions {
  model: FrozenModel
  layout: LoraLayout | null
  prefixTokens: number | 'dynamic'
  rowBlocks: number
  maxPositions: number
  gradients: boolean
  topTokens?: number
  threads?: number
}

export interface StepOutput {
  loss: number
  /** nats of every label */
  losses: Float32Array
  /** of the flat lora vector; empty in a loss graph */
  gradient: Float32Array
  /** `[labels × topTokens]`, most probable first; empty where none are asked for */
  topIds: BigInt64Array
  topProbabilities: Float32Array
}

export class TrainingSession {
  private constructor(private readonly session: InferenceSession) {}

  /** The graph's path to the weights is relative, so the graph's file is beside them while it is opened. */
  static async open(options: TrainingSessionOptions): Promise<TrainingSession> {
    const { model, threads = availableParallelism() } = options
    const path = join(dirname(model.path), `graph-${randomUUID()}.onnx`)
    const graph = buildTrainingGraph({
      ...options,
      config: model.config,
      frozen: (name) => model.tensors.get(name)!,
      type: 'float32',
    })
    try {
      await writeFile(path, graph)
      const session = await InferenceSession.create(path, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        // memory planning would hold the activations twice, because shapes change between runs
        enableMemPattern: false,
        logSeverityLevel: 3,
      })
      return new TrainingSession(session)
    } finally {
      await rm(path, { force: true })
    }
  }

  /** @param theta the flat lora vector; null for the base model's graph */
  async run(batch: PackedBatch, theta: Float32Array | null): Promise<StepOutput> {
    const feeds: Record<string, Tensor> = {}
    for (const name of this.session.inputNames) {
      const input = batch.inputs[name]
      if (input !== undefined) feeds[name] = tensorOf(input)
    }
    if (theta !== null) feeds.theta = new Tensor('float32', theta, [theta.length])
    const outputs = await this.session.run(feeds)
    return {
      loss: Number(outputs.loss!.data[0]),
      losses: outputs.losses!.data as Float32Array,
      gradient: (outputs.gradient?.data as Float32Array | undefined) ?? new Float32Array(),
      topIds: (outputs.top_ids?.data as BigInt64Array | undefined) ?? new BigInt64Array(),
      topProbabilities:
        (outputs.top_probabilities?.data as Float32Array | undefined) ?? new Float32Array(),
    }
  }

  close(): Promise<void> {
    return this.session.release()
  }
}
