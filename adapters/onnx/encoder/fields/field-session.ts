/** A graph of a field model in onnxruntime: packed inputs to its outputs. */
import { env, InferenceSession, Tensor } from 'onnxruntime-node'
import { AppError } from '../../../../src/errors.ts'
import { tensorOf } from '../../gradient/packed-input.ts'
import type { FieldInputs } from './field-batch.ts'

export interface FieldGraph {
  model: Uint8Array
  /** large constants beside the model */
  externalData?: { path: string; data: Uint8Array }[]
}

export interface FieldOutput {
  /** `[words + 1, classes]` */
  tags: Float32Array
  /** `[rows, Σ classes]`; null where there are no choices */
  choices: Float32Array | null
  /** of the training graph */
  loss: number
  /** of theta; empty without gradients */
  gradient: Float32Array
}

export class FieldSession {
  private readonly session: InferenceSession

  private constructor(session: InferenceSession) {
    this.session = session
  }

  /** @throws AppError `invalid-model` when onnxruntime refuses the graph */
  static async open({ model, externalData }: FieldGraph, threads: number): Promise<FieldSession> {
    // the library writes its warnings directly to stderr
    env.logLevel = 'error'
    try {
      const session = await InferenceSession.create(model, {
        ...(externalData && { externalData }),
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        // shapes change with every batch, and onnxruntime would keep a memory pattern for each
        enableMemPattern: false,
      })
      return new FieldSession(session)
    } catch (cause) {
      throw new AppError('invalid-model', "the field model's graph could not be built", { cause })
    }
  }

  /** @param theta of the training graph; null for one that holds its weights */
  async run(inputs: FieldInputs, theta: Float32Array | null): Promise<FieldOutput> {
    const feeds: Record<string, Tensor> = {}
    for (const name of this.session.inputNames) {
      const input = inputs[name]
      if (input !== undefined) feeds[name] = tensorOf(input)
    }
    if (theta !== null) feeds.theta = new Tensor('float32', theta, [theta.length])
    const outputs = await this.session.run(feeds)
    const floats = (name: string): Float32Array | null =>
      (outputs[name]?.data as Float32Array | undefined) ?? null
    return {
      tags: floats('tags')!,
      choices: floats('choices'),
      loss: floats('loss')?.[0] ?? NaN,
      gradient: floats('gradient') ?? new Float32Array(),
    }
  }

  close(): Promise<void> {
    return this.session.release()
  }
}
