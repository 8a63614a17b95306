/** A sentence encoder in onnxruntime: texts to vectors, in batches of bounded memory. */
import { env, InferenceSession, Tensor } from 'onnxruntime-node'
import { AppError } from '../../../src/errors.ts'
import type { Encoded, SentenceEncoder } from '../../host/label-head/sentence-encoder.ts'
import { buildEncoderGraph } from './encoder-graph.ts'
import { loadEncoder, type EncoderPrecision, type LoadedEncoder } from './load-encoder.ts'

export interface OpenEncoderOptions {
  threads: number
  /** default `auto` */
  precision?: EncoderPrecision | 'auto'
}

/** Tokens of one run, padding included: some 60 MB of activations with 12 layers of 384. */
const MAX_BATCH_TOKENS = 2048
/**
 * Characters that are read for each token of the context: the tokenizer's time grows with the text,
 * and the rest of it would be cut anyway.
 */
const MAX_CHARACTERS_PER_TOKEN = 100

type Row = { place: number; ids: number[]; isCut: boolean }

/** Rows of similar length together, so that little padding is computed. */
const batchesOf = (rows: Row[]): Row[][] => {
  const batches: Row[][] = []
  let batch: Row[] = []
  for (const row of rows.toSorted((a, b) => a.ids.length - b.ids.length)) {
    if (batch.length > 0 && (batch.length + 1) * row.ids.length > MAX_BATCH_TOKENS) {
      batches.push(batch)
      batch = []
    }
    batch.push(row)
  }
  return batch.length > 0 ? [...batches, batch] : batches
}

const feedsOf = (batch: Row[]): Record<string, Tensor> => {
  const width = batch.at(-1)!.ids.length
  const dims = [batch.length, width]
  const ids = new BigInt64Array(batch.length * width)
  const mask = new BigInt64Array(batch.length * width)
  for (const [row, { ids: own }] of batch.entries()) {
    for (const [at, id] of own.entries()) ids[row * width + at] = BigInt(id)
    mask.fill(1n, row * width, row * width + own.length)
  }
  return { ids: new Tensor('int64', ids, dims), mask: new Tensor('int64', mask, dims) }
}

class OnnxSentenceEncoder implements SentenceEncoder {
  constructor(
    private readonly loaded: LoadedEncoder,
    private readonly session: InferenceSession
  ) {}

  get id(): string {
    return this.loaded.name
  }

  get parameters(): number {
    return this.loaded.parameters
  }

  get fingerprint(): string {
    return this.loaded.fingerprint
  }

  get dims(): number {
    return this.loaded.config.hiddenSize
  }

  get maxTokens(): number {
    return this.loaded.config.maxTokens
  }

  async encode(texts: readonly string[]): Promise<Encoded> {
    const rows = texts.map((text, place) => ({ place, ...this.read(text) }))
    const vectors = new Float32Array(texts.length * this.dims)
    for (const batch of batchesOf(rows)) {
      const { embeddings } = await this.session.run(feedsOf(batch))
      const data = embeddings!.data as Float32Array
      for (const [row, { place }] of batch.entries())
        vectors.set(data.subarray(row * this.dims, (row + 1) * this.dims), place * this.dims)
    }
    return {
      vectors,
      tokens: rows.map(({ ids }) => ids.length),
      cut: rows.filter(({ isCut }) => isCut).length,
    }
  }

  countTokens(text: string): number {
    return this.loaded.tokenizer.encode(this.loaded.config.prefix + text).length
  }

  close(): Promise<void> {
    return this.session.release()
  }

  /** Cut before the last token, which marks the end. */
  private read(text: string): Omit<Row, 'place'> {
    const { tokenizer, config } = this.loaded
    const whole = config.prefix + text
    const read = whole.slice(0, this.maxTokens * MAX_CHARACTERS_PER_TOKEN)
    const ids = tokenizer.encode(read)
    if (ids.length <= this.maxTokens) return { ids, isCut: read.length < whole.length }
    return { ids: [...ids.slice(0, this.maxTokens - 1), ids.at(-1)!], isCut: true }
  }
}

/** @throws AppError `invalid-model` */
export const openEncoder = async (
  folder: string,
  { threads, precision = 'auto' }: OpenEncoderOptions
): Promise<SentenceEncoder> => {
  const loaded = loadEncoder(folder, precision)
  try {
    // the library writes its warnings directly to stderr
    env.logLevel = 'error'
    const graph = buildEncoderGraph(loaded.config, loaded.weights)
    const session = await InferenceSession.create(graph.model, {
      externalData: graph.externalData,
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      // shapes change with every batch, and onnxruntime would keep a memory pattern for each
      enableMemPattern: false,
    })
    return new OnnxSentenceEncoder(loaded, session)
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    throw new AppError('invalid-model', `${folder}: the encoder's graph could not be built`, {
      cause,
    })
  } finally {
    loaded.close()
  }
}
