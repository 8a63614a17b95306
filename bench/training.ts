/**
 * How fast loras train, against the machine's own matrix product in the same run, and what a
 * shared prefix saves. Without a model: random weights in the shape of SmolLM2-135M.
 *
 *   npm run bench:training -- --out training.json [--model path] [--runs 5] [--cache folder]
 *
 * `--layers 4` is for a quick look only: figures of a shallower model say little about the whole.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { GraphBuilder } from '../adapters/onnx/graph.ts'
import type { TokenizedRow } from '../adapters/text/rows.ts'
import type { FrozenModel } from '../adapters/onnx/train/weights-file.ts'
import { spread, withBar, type Figure, type Figures } from '../test/kit/report.ts'
import {
  milliseconds,
  openModel,
  openTrainer,
  random,
  RANK,
  randomRows,
  SMOL_SHAPE,
  THREADS,
} from './training/trainer.ts'
import { causalPairs, usefulOperations, type StepWork } from './training/useful-operations.ts'
import { benchmark } from './harness/measure.ts'
import { optional, readOptions } from './harness/options.ts'

/** short exchanges: rows of 32 tokens, 8 of them answer; a training job's batch, twice, four times */
const SHORT = { rows: [8, 16, 32], prefixTokens: 0, promptTokens: 25, completionTokens: 8 }
const SHARED = { prefixTokens: 800, rows: 16, promptTokens: 20, completionTokens: 20 }
const MATMUL_SIZE = 1536

/** Milliseconds of one large float32 matrix product, the mean over about a second. */
const openMatmul = async (): Promise<() => Promise<number>> => {
  const graph = new GraphBuilder('matmul')
  const dims = [MATMUL_SIZE, MATMUL_SIZE]
  const product = graph.op('MatMul', [
    graph.input('a', 'float32', dims),
    graph.input('b', 'float32', dims),
  ])
  graph.output('c', product, 'float32', dims)
  const session = await InferenceSession.create(graph.build(), { intraOpNumThreads: THREADS })
  const matrix = () =>
    new Tensor(
      'float32',
      Float32Array.from({ length: MATMUL_SIZE ** 2 }, () => random() - 0.5),
      dims
    )
  const feeds = { a: matrix(), b: matrix() }
  return async () => {
    let total = 0
    let count = 0
    for (; total < 1000; count++) total += await milliseconds(() => session.run(feeds))
    return total / count
  }
}

/** Of separate rows. */
const workOf = (rows: TokenizedRow[]): StepWork => {
  const lengths = rows.map(
    ({ promptIds, completionIds }) => promptIds.length + completionIds.length - 1
  )
  return {
    tokens: lengths.reduce((sum, tokens) => sum + tokens, 0),
    labels: rows.reduce((sum, { completionIds }) => sum + completionIds.length, 0),
    pairs: lengths.reduce((sum, tokens) => sum + causalPairs(tokens), 0),
  }
}

const peakGigabytes = (): number => (process.resourceUsage().maxRSS * 1024) / 1e9

/** Milliseconds a sample, packed behind one prefix and as separate rows; peak memory of the first. */
const measureSharedPrefix = async (model: FrozenModel, runs: number) => {
  const { prefixTokens, promptTokens, completionTokens } = SHARED
  const rows = randomRows(SHARED)
  const longest = prefixTokens + promptTokens + completionTokens
  const shared = await openTrainer(model, prefixTokens, longest)
  const packed = shared.pack(rows)
  await shared.step(packed)
  const together: number[] = []
  for (let i = 0; i < runs; i++)
    together.push((await milliseconds(() => shared.step(packed))) / rows.length)
  await shared.close()
  const peak = peakGigabytes()
  const separate = await openTrainer(model, 0, longest)
  const alone = separate.pack(rows.slice(0, 1))
  await separate.step(alone)
  const apart: number[] = []
  for (let i = 0; i < runs; i++) apart.push(await milliseconds(() => separate.step(alone)))
  await separate.close()
  return { together, apart, peak }
}

type Speed = Record<'tokensPerSecond' | 'useful' | 'ceiling' | 'share', number[]>

/** Step and matrix product in turn, so that both see the same machine. One entry a batch size. */
const measureShortRows = async (model: FrozenModel, runs: number): Promise<Speed[]> => {
  const matmul = await openMatmul()
  const trainer = await openTrainer(model, 0, 64)
  const batches = SHORT.rows.map((count) => {
    const rows = randomRows({ ...SHORT, rows: count })
    const operations = usefulOperations(model.config, RANK, workOf(rows))
    const speed: Speed = { tokensPerSecond: [], useful: [], ceiling: [], share: [] }
    return { batch: trainer.pack(rows), operations, speed }
  })
  for (const { batch } of batches) await trainer.step(batch)
  await matmul()
  let before = await matmul()
  for (let i = 0; i < runs; i++)
    for (const { batch, operations, speed } of batches) {
      const step = await milliseconds(() => trainer.step(batch))
      const after = await matmul()
      const ceiling = (2 * MATMUL_SIZE ** 3) / ((before + after) / 2) / 1e6
      speed.tokensPerSecond.push((batch.tokens / step) * 1000)
      speed.useful.push(operations / step / 1e6)
      speed.ceiling.push(ceiling)
      speed.share.push(operations / step / 1e6 / ceiling)
      before = after
    }
  await trainer.close()
  return batches.map(({ speed }) => speed)
}

/** What a step of fewer tokens reaches, in which loras, optimizer and weights weigh more. */
const smallerBatches = (speeds: Speed[]): Figures =>
  Object.fromEntries(
    speeds.slice(0, -1).flatMap((speed, i) => [
      [`tokens_per_second_${SHORT.rows[i]}_rows`, spread(speed.tokensPerSecond, 'tokens/s')],
      [`share_of_ceiling_${SHORT.rows[i]}_rows`, spread(speed.share, 'share')],
    ])
  )

const options = readOptions({
  model: optional,
  cache: optional,
  runs: 5,
  layers: SMOL_SHAPE.layers,
})
const run = async (folder: string): Promise<Figures> => {
  const { runs } = options
  const model = await openModel(options.model, options.cache ?? folder, options.layers)
  const shared = await measureSharedPrefix(model, runs)
  const short = await measureShortRows(model, runs)
  const large = short.at(-1)!
  const together = spread(shared.together, 'ms')
  const apart = spread(shared.apart, 'ms')
  const speedup: Figure = {
    value: Number(apart.value) / Number(together.value),
    unit: 'times',
    min: apart.min! / together.max!,
    max: apart.max! / together.min!,
    runs,
  }
  return {
    tokens_per_second: spread(large.tokensPerSecond, 'tokens/s'),
    useful_gflops: spread(large.useful, 'GFLOP/s'),
    matmul_ceiling_gflops: spread(large.ceiling, 'GFLOP/s'),
    // the ceiling is measured with a large product, so it is compared with a large batch
    share_of_ceiling: withBar(spread(large.share, 'share'), '>=', 0.85),
    ...smallerBatches(short),
    shared_prefix_ms_per_sample: together,
    separate_rows_ms_per_sample: apart,
    shared_prefix_speedup: withBar(speedup, '>=', 5),
    peak_gb: withBar({ value: shared.peak, unit: 'GB' }, '<=', 6),
  }
}

await benchmark('training', options.out, run)
