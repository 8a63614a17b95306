/**
 * The decode graph as a function: one step of new tokens for some rows of the cache.
 */
import { env, InferenceSession, Tensor } from 'onnxruntime-node'
import { AppError } from '../../../src/errors.ts'
import type { LlamaConfig, WeightSource } from '../../model/llama-config.ts'
import { buildDecodeGraph } from './decode-graph.ts'
import type { LoraUse } from './decode-graph.ts'
import type { CacheTensors } from './kv-cache.ts'
import { loraMasks } from './fused-lora.ts'
import type { LoraFeeds } from './fused-lora.ts'
import type { TokenChoice } from '../../text/tokens.ts'

export interface DecodeStep {
  /** the new tokens, the same number in every row */
  rows: { ids: readonly number[]; pastLength: number; lora: string | null }[]
  /** of the rows, in their order */
  cache: CacheTensors
  loras: LoraFeeds
  /** indices into the rows' tokens, in order, after which a prediction is needed; at least one */
  wanted: readonly number[]
  /** false for the most probable tokens only, without a copy of every distribution */
  distributions: boolean
}

/** The model's prediction after one token. */
export interface Prediction {
  best: TokenChoice
  /** natural log-probabilities `[vocab]`; null unless the step asked for distributions */
  logprobs: Float32Array | null
}

export interface DecodeResult {
  /** in the order of the requested tokens */
  predictions: Prediction[]
  /** keys and values of the new tokens, `[layers·2, rows, kvHeads, tokens, headDim]` */
  newCache: Float32Array
}

export interface DecoderOptions {
  config: LlamaConfig
  weights: WeightSource
  maxPositions: number
  threads: number
  /** whether the graph for one lora is built at once; it takes seconds when the first lora is used */
  expectsLoras: boolean
}

const int64 = (values: readonly number[], dims: number[]): Tensor =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims)

const loraUse = ({ rows, loras }: DecodeStep): LoraUse => {
  if (loras.rank === 0) return 'none'
  return rows.every(({ lora }) => lora === rows[0]!.lora) ? 'one' : 'mixed'
}

/** The inputs without the cache. */
const stepFeeds = ({ rows, loras, wanted }: DecodeStep, use: LoraUse): Record<string, Tensor> => {
  const tokens = rows[0]!.ids.length
  const owners = rows.flatMap(({ lora }) => Array<string | null>(tokens).fill(lora))
  return {
    ...loras.feeds,
    ...(use === 'mixed' ? loraMasks(loras, owners) : {}),
    ids: int64(
      rows.flatMap(({ ids }) => ids),
      [rows.length, tokens]
    ),
    rows: int64(wanted, [wanted.length]),
    positions: int64(
      rows.flatMap(({ ids, pastLength }) => ids.map((_, index) => pastLength + index)),
      [rows.length, tokens]
    ),
    past_lengths: int64(
      rows.map(({ pastLength }) => pastLength),
      [rows.length]
    ),
  }
}

const BEST_ONLY = ['best', 'best_logprob', 'new_cache']
const WITH_DISTRIBUTIONS = [...BEST_ONLY, 'logprobs']

const predictionsOf = (
  results: InferenceSession.ReturnType,
  count: number,
  vocabSize: number
): Prediction[] => {
  const ids = results.best!.data as BigInt64Array
  const ofBest = results.best_logprob!.data as Float32Array
  const all = results.logprobs?.data as Float32Array | undefined
  return Array.from({ length: count }, (_, index) => ({
    best: { tokenId: Number(ids[index]), logprob: ofBest[index]! },
    logprobs: all?.subarray(index * vocabSize, (index + 1) * vocabSize) ?? null,
  }))
}

interface DecodeSession {
  session: InferenceSession
  pastNames: string[]
}

const createSession = async (options: DecoderOptions, loras: LoraUse): Promise<DecodeSession> => {
  const { config, weights, maxPositions, threads } = options
  const graph = buildDecodeGraph(config, weights, { maxPositions, loras })
  try {
    const session = await InferenceSession.create(graph.model, {
      externalData: graph.externalData,
      intraOpNumThreads: threads,
      // shapes change at every step, and onnxruntime would keep a memory pattern for each
      enableMemPattern: false,
    })
    return { session, pastNames: graph.pastNames }
  } catch (cause) {
    throw new AppError('invalid-model', 'the decode graph could not be built', { cause })
  }
}

/**
 * There is a graph for each use of loras. Each holds the weights again, so those for loras are built
 * when they are first needed; the one for one lora at once where loras are expected.
 * @throws AppError `invalid-model` when the weights do not fit the configuration
 */
export const createDecoder = async (options: DecoderOptions) => {
  // the library writes its warnings directly to stderr
  env.logLevel = 'error'
  const sessions = new Map<LoraUse, Promise<DecodeSession>>()
  const sessionFor = (use: LoraUse): Promise<DecodeSession> => {
    const session = sessions.get(use) ?? createSession(options, use)
    sessions.set(use, session)
    return session
  }
  await sessionFor('none')
  if (options.expectsLoras) await sessionFor('one')
  const { vocabSize } = options.config
  return {
    async run(step: DecodeStep): Promise<DecodeResult> {
      const use = loraUse(step)
      const { session, pastNames } = await sessionFor(use)
      const feeds = stepFeeds(step, use)
      for (const [index, tensor] of step.cache.entries()) feeds[pastNames[index]!] = tensor
      const results = await session.run(feeds, step.distributions ? WITH_DISTRIBUTIONS : BEST_ONLY)
      return {
        predictions: predictionsOf(results, step.wanted.length, vocabSize),
        newCache: results.new_cache!.data as Float32Array,
      }
    },
    async close(): Promise<void> {
      for (const session of sessions.values()) await (await session).session.release()
    },
  }
}

export type Decoder = Awaited<ReturnType<typeof createDecoder>>
