/** A trained field model in onnxruntime: sources to the scores of their words and of the choices. */
import type { FieldScores, FormSizes } from '../../../../src/core/form/targets.ts'
import type { Source } from '../../../../src/core/form/words.ts'
import { packFields, splitByTokens, unpackScores } from './field-batch.ts'
import type { FieldEncoder } from './field-encoder.ts'
import { buildFieldGraph } from './field-graph.ts'
import { thetaWeights } from './field-layout.ts'
import type { FieldModelFile } from './field-model-file.ts'
import { FieldSession } from './field-session.ts'
import { inEightBits, type EncoderPrecision } from '../load-encoder.ts'

export interface OpenFieldModelOptions {
  threads: number
  /** of the layers' matrices */
  precision: EncoderPrecision
}

export interface RowScores extends FieldScores {
  /** whether the encoder has not read all words: those have the same probability for each tag */
  cut: boolean
  /** the mean of the last states of its tokens, `[hidden]` */
  embedding: Float32Array
}

/** Tokens of one run, padding included: some 60 MB of activations with 6 layers of 384. */
const MAX_BATCH_TOKENS = 2048

export class FieldModel {
  private constructor(
    private readonly encoder: FieldEncoder,
    readonly sizes: FormSizes,
    private readonly session: FieldSession
  ) {}

  /**
   * @param theta may be forgotten afterwards: the session has its own copy
   * @throws AppError `invalid-model`
   */
  static async open(
    encoder: FieldEncoder,
    { layout, theta }: Pick<FieldModelFile, 'layout' | 'theta'>,
    { threads, precision }: OpenFieldModelOptions
  ): Promise<FieldModel> {
    const stored = thetaWeights(layout, theta)
    const weights = precision === 'q8' ? inEightBits(stored) : stored
    const graph = buildFieldGraph(encoder.config, layout.sizes, weights)
    return new FieldModel(encoder, layout.sizes, await FieldSession.open(graph, threads))
  }

  /** @param rows the sources of each; at least one source a row */
  async scores(rows: readonly (readonly Source[])[]): Promise<RowScores[]> {
    const read = rows.map((sources) => this.encoder.tokenizer.read(sources))
    const scores = Array<RowScores>(rows.length)
    for (const places of splitByTokens(read, MAX_BATCH_TOKENS)) {
      const part = places.map((place) => read[place]!)
      const batch = packFields(part, this.encoder.embeddings)
      const output = await this.session.run(batch.inputs, null)
      const { hiddenSize } = this.encoder.config
      for (const [at, own] of unpackScores(part, batch, this.sizes, output).entries()) {
        const embedding = output.embedding!.slice(at * hiddenSize, (at + 1) * hiddenSize)
        scores[places[at]!] = { ...own, cut: part[at]!.cut, embedding }
      }
    }
    return scores
  }

  close(): Promise<void> {
    return this.session.close()
  }
}
