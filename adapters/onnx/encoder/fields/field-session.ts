/** A graph of a field model in onnxruntime: packed inputs to its outputs. */
import { env, InferenceSession, Tensor } from 'onnxruntime-node'
import { AppError } from '../../../../src/errors.ts'
import { tensorOf } from '../../gradient/packed-input.ts'
import type { FieldInputs } from './field-batch.ts'
import { gradientOf } from './field-graph.ts'
import type { FieldLayout } from './field-layout.ts'

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
  /** `[rows, hidden]` of the serving graph; null of the training graph */
  embedding: Float32Array | null
  /** of the training graph */
  loss: number
}

/** What the training graph reads and writes in place. */
export interface Trained {
  layout: FieldLayout
  theta: Float32Array
  /** as long as theta, overwritten; null for a graph without gradients */
  gradient: Float32Array | null
}

const viewsOf = ({ entries }: FieldLayout, vector: Float32Array): [string, Tensor][] =>
  entries.map(({ name, dims, offset, length }) => [
    name,
    new Tensor('float32', vector.subarray(offset, offset + length), dims),
  ])

export class FieldSession {
  private constructor(private readonly session: InferenceSession) {}

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

  /** @param trained null for a graph that holds its weights */
  async run(inputs: FieldInputs, trained: Trained | null): Promise<FieldOutput> {
    const feeds: Record<string, Tensor> = Object.fromEntries(
      trained === null ? [] : viewsOf(trained.layout, trained.theta)
    )
    for (const name of this.session.inputNames) {
      const input = inputs[name]
      if (input !== undefined) feeds[name] = tensorOf(input)
    }
    const fetches: Record<string, Tensor | null> = Object.fromEntries(
      this.session.outputNames.map((name) => [name, null])
    )
    if (trained !== null && trained.gradient !== null)
      for (const [name, view] of viewsOf(trained.layout, trained.gradient))
        fetches[gradientOf(name)] = view
    const outputs = await this.session.run(feeds, fetches)
    const floats = (name: string): Float32Array | null =>
      (outputs[name]?.data as Float32Array | undefined) ?? null
    return {
      tags: floats('tags')!,
      choices: floats('choices'),
      embedding: floats('embedding'),
      loss: floats('loss')?.[0] ?? NaN,
    }
  }

  close(): Promise<void> {
    return this.session.release()
  }
}
