import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { TokenizedRow } from '../../adapters/text/rows.ts'
import { LossModel } from '../../adapters/onnx/train/loss-model.ts'
import { trainLora } from '../../adapters/onnx/train/trainer.ts'
import type { TrainLoraInput } from '../../adapters/onnx/train/training-job.ts'
import { openFrozenModel, type FrozenModel } from '../../adapters/onnx/train/weights-file.ts'
import type { Hyperparameters } from '../../src/openai/fine-tuning.ts'
import { randomRows, randomTheta, randomWeights, tinyConfig } from '../kit/model/tiny-training.ts'
import { observe } from '../kit/model/observe.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()
let model: FrozenModel
let checkpoints = 0

beforeAll(async () => {
  const weights = randomWeights(tinyConfig, 3)
  model = await openFrozenModel(folder, { config: tinyConfig, weights, fingerprint: 'tiny' })
})

const inputOf = (
  rows: TokenizedRow[],
  hyperparameters: Hyperparameters,
  more: Partial<TrainLoraInput> = {}
): TrainLoraInput => ({
  model,
  rows,
  validationRows: [],
  hyperparameters: { rank: 4, alpha: 8, learning_rate: 1e-2, batch_size: 4, ...hyperparameters },
  seed: 7,
  start: null,
  checkpointDir: join(folder, `job-${checkpoints++}`),
  ...more,
})

const rows = randomRows(tinyConfig, 10, { seed: 1, prefixTokens: 9 })

describe('trainLora', () => {
  it('learns a few rows by heart, and the loss of rows agrees', async () => {
    const hooks = observe()
    const few = rows.slice(0, 4)
    const trained = await trainLora(
      inputOf(few, { rank: 8, max_steps: 150, learning_rate: 2e-2 }, { validationRows: few }),
      hooks
    )
    expect(hooks.progress[0]!.train_loss).toBeGreaterThan(3)
    expect(hooks.progress.at(-1)!.train_loss).toBeLessThan(0.05)
    expect(trained.metrics.valid_loss).toBeLessThan(0.05)
    const losses = new LossModel(model)
    const before = await losses.lossOfRows(few, null)
    const after = await losses.lossOfRows(few, trained)
    await losses.close()
    expect(Math.min(...before.losses)).toBeGreaterThan(1)
    expect(Math.max(...after.losses)).toBeLessThan(0.2)
    expect(after.tokens).toEqual(few.map((row) => row.completionIds.length))
  })

  it('reports every step with speed, losses and the time that is left', async () => {
    const hooks = observe()
    const trained = await trainLora(
      inputOf(rows, { n_epochs: 3 }, { validationRows: rows.slice(0, 3) }),
      hooks
    )
    expect(hooks.progress.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(hooks.progress.every(({ total_steps }) => total_steps === 9)).toBe(true)
    expect(hooks.progress.at(-1)).toMatchObject({ eta_seconds: 0, valid_loss: expect.any(Number) })
    expect(hooks.progress[0]!.eta_seconds).toBeGreaterThan(0)
    expect(trained.metrics).toMatchObject({ steps: 9, valid_loss: expect.any(Number) })
    expect(trained.metrics.tokens_per_second).toBeGreaterThan(0)
    expect(trained.trainedTokens).toBeGreaterThan(0)
  })

  it('gives the same lora for the same seed and another for another', async () => {
    const thetas: Float32Array[] = []
    for (const seed of [1, 1, 2]) {
      const trained = await trainLora(inputOf(rows, { max_steps: 4 }, { seed }), observe())
      thetas.push(trained.theta)
    }
    expect(thetas[1]).toEqual(thetas[0])
    expect(thetas[2]).not.toEqual(thetas[0])
  })

  it('goes on after an abort to the lora of an uninterrupted run', async () => {
    const whole = await trainLora(inputOf(rows, { max_steps: 9 }), observe())
    const controller = new AbortController()
    const hooks = observe(controller.signal)
    const input = inputOf(rows, { max_steps: 9 })
    hooks.onProgress = ({ step }) => step === 4 && controller.abort(new Error('stop here'))
    await expect(trainLora(input, hooks)).rejects.toThrow('stop here')
    const resumed = observe()
    const rest = await trainLora(input, resumed)
    expect(resumed.messages).toEqual(['resumed from the checkpoint at step 4'])
    expect(resumed.progress.map(({ step }) => step)).toEqual([5, 6, 7, 8, 9])
    expect(rest.theta).toEqual(whole.theta)
    expect(rest.optimizer).toEqual(whole.optimizer)
    expect(rest.metrics.train_loss).toBe(whole.metrics.train_loss)
    expect(rest.trainedTokens).toBe(whole.trainedTokens)
  })

  it('repeats no step of a finished job that is started again', async () => {
    const input = inputOf(rows, { max_steps: 3 })
    const first = await trainLora(input, observe())
    const hooks = observe()
    expect((await trainLora(input, hooks)).theta).toEqual(first.theta)
    expect(hooks.progress).toEqual([])
  })

  it('does not go on from the checkpoint of another job', async () => {
    const input = inputOf(rows, { max_steps: 3 })
    await trainLora(input, observe())
    const hooks = observe()
    await trainLora({ ...input, rows: rows.slice(1) }, hooks)
    expect(hooks.messages).toEqual([])
    expect(hooks.progress).toHaveLength(3)
  })

  it('writes checkpoints while it runs', async () => {
    const input = inputOf(rows, { max_steps: 6 })
    const controller = new AbortController()
    const hooks = observe(controller.signal)
    const seen: string[][] = []
    hooks.onProgress = ({ step }) =>
      step > 1 && void readdir(input.checkpointDir).then((names) => seen.push(names))
    await trainLora(input, hooks, { checkpointSeconds: 0 })
    expect(seen.some((names) => names.includes('checkpoint.bin'))).toBe(true)
  })

  it('goes on from a lora with its optimizer as one run would', async () => {
    const first = await trainLora(inputOf(rows, { max_steps: 3 }), observe())
    const second = await trainLora(inputOf(rows, { max_steps: 2 }, { start: first }), observe())
    expect(second.optimizer.step).toBe(5)
    expect(second.theta).not.toEqual(first.theta)
    const moved = Math.max(...second.theta.map((value, i) => Math.abs(value - first.theta[i]!)))
    expect(moved).toBeLessThan(0.1)
    expect(first.optimizer.step).toBe(3)
  })

  it('stops at its time limit with the cosine at its end', async () => {
    let clockMs = 0
    const hooks = observe()
    const trained = await trainLora(inputOf(rows, { max_steps: 1000, max_seconds: 10 }), hooks, {
      now: () => (clockMs += 250),
      checkpointSeconds: 1e9,
    })
    expect(trained.metrics.steps).toBeLessThan(20)
    expect(trained.metrics.seconds).toBeGreaterThanOrEqual(10)
    expect(hooks.progress.at(-1)!.eta_seconds).toBe(0)
  })

  it('accumulates a batch that does not fit in memory from parts', async () => {
    const shape = { max_steps: 1, batch_size: 10 }
    const whole = await trainLora(inputOf(rows, shape), observe())
    const parts = await trainLora(inputOf(rows, shape), observe(), { maxBytes: 1 })
    const difference = Math.max(...parts.optimizer.m.map((m, i) => m - whole.optimizer.m[i]!))
    expect(Math.max(...whole.optimizer.m)).toBeGreaterThan(1e-3)
    expect(difference).toBeLessThan(1e-6)
    expect(parts.trainedTokens).toBeGreaterThan(whole.trainedTokens)
  })

  it('trains on one row', async () => {
    const trained = await trainLora(inputOf(rows.slice(0, 1), { max_steps: 2 }), observe())
    expect(trained.metrics.steps).toBe(2)
  })

  it('refuses to change the rank of the lora it starts from', async () => {
    const start = await trainLora(inputOf(rows, { max_steps: 1 }), observe())
    const training = trainLora(inputOf(rows, { rank: 8 }, { start }), observe())
    await expect(training).rejects.toMatchObject({ code: 'invalid-request' })
  })

  it('leaves no graph files behind', async () => {
    await trainLora(inputOf(rows, { max_steps: 1 }), observe())
    expect((await readdir(folder)).filter((name) => name.endsWith('.onnx'))).toEqual([])
  })
})

describe('loss of rows', () => {
  it('is the same for rows alone, together, with and without common prefixes, in their order', async () => {
    const mixed = [
      ...randomRows(tinyConfig, 3, { seed: 5, prefixTokens: 40 }),
      ...randomRows(tinyConfig, 2, { seed: 6, prefixTokens: 3 }),
      ...randomRows(tinyConfig, 3, { seed: 7, prefixTokens: 25 }),
    ]
    const order = [3, 0, 7, 1, 5, 4, 2, 6].map((i) => mixed[i]!)
    const trained = await trainLora(inputOf(rows, { max_steps: 3 }), observe())
    const lora = { layout: trained.layout, theta: randomTheta(trained.layout, 8) }
    const losses = new LossModel(model)
    const small = new LossModel(model, { maxBytes: 1 })
    for (const adapter of [null, lora]) {
      const together = await losses.lossOfRows(order, adapter)
      const inParts = await small.lossOfRows(order, adapter)
      for (const [i, row] of order.entries()) {
        const alone = await losses.lossOfRows([row], adapter)
        expect(together.losses[i]).toBeCloseTo(alone.losses[0]!, 5)
        expect(inParts.losses[i]).toBeCloseTo(alone.losses[0]!, 5)
      }
    }
    await Promise.all([losses.close(), small.close()])
  })

  it('answers calls that overlap', async () => {
    const losses = new LossModel(model)
    const [a, b] = await Promise.all([
      losses.lossOfRows(rows.slice(0, 2), null),
      losses.lossOfRows(rows.slice(0, 1), null),
    ])
    await losses.close()
    expect(a.losses[0]).toBeCloseTo(b.losses[0]!, 5)
  })
})
