/** Training of field models and what they answer, on a tiny encoder. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import {
  openFieldEncoder,
  type FieldEncoder,
} from '../../adapters/onnx/encoder/fields/field-encoder.ts'
import type {
  FieldTrainingRow,
  TrainFieldsInput,
} from '../../adapters/onnx/encoder/fields/field-job.ts'
import {
  readFieldModel,
  writeFieldModel,
  type FieldManifest,
  type FieldModelFile,
} from '../../adapters/onnx/encoder/fields/field-model-file.ts'
import { FieldModel } from '../../adapters/onnx/encoder/fields/field-model.ts'
import { trainFields } from '../../adapters/onnx/encoder/fields/field-training.ts'

import { wordsOf, type Source } from '../../src/core/form/words.ts'
import { seededRandom } from '../../src/random.ts'
import { observe } from '../kit/model/observe.ts'
import { writeTinyBert } from '../kit/model/tiny-bert.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()
let encoder: FieldEncoder
let jobs = 0

beforeAll(() => {
  writeTinyBert(join(folder, 'encoder'), { seed: 1 })
  encoder = openFieldEncoder(join(folder, 'encoder'))
})
afterAll(() => encoder.close())

const THINGS = ['card', 'money', 'pin']
const OTHERS = ['my', 'is', 'where', 'the', 'new', 'a']
const sizes = { fields: 1, choices: [2] }

/** The field is the thing and the word behind it; the choice is whether something is lost. */
const rowOf = (random: () => number): FieldTrainingRow => {
  const of = (words: string[]): string => words[Math.floor(random() * words.length)]!
  const isLost = random() < 0.5
  const before = Array.from({ length: Math.floor(random() * 3) }, () => of(OTHERS))
  const words = [...before, of(THINGS), of(OTHERS), isLost ? 'lost' : 'transfer', '?']
  const tags = new Int32Array(words.length + 1)
  tags[before.length] = 1
  tags[before.length + 1] = 2
  return {
    sources: [
      { name: 'query', text: words.join(' ') },
      { name: 'kind', text: 'exchange' },
    ],
    targets: { tags, choices: Int32Array.of(isLost ? 1 : 0) },
  }
}

const rowsOf = (count: number, seed: number): FieldTrainingRow[] => {
  const random = seededRandom(seed)
  return Array.from({ length: count }, () => rowOf(random))
}

/** With the wrong choice, so that learning the rows gets more of these wrong. */
/** What a tagger says that has not learned to tag yet. */
const untagged = (row: FieldTrainingRow): FieldTrainingRow => ({
  ...row,
  targets: { ...row.targets, tags: row.targets.tags.map(() => 0) },
})

const inputOf = (more: Partial<TrainFieldsInput> = {}): TrainFieldsInput => ({
  encoder,
  sizes,
  rows: rowsOf(20, 1),
  validationRows: [],
  seed: 7,
  checkpointDir: join(folder, `job-${jobs++}`),
  ...more,
  hyperparameters: {
    epochs: 3,
    batchSize: 8,
    layerRate: 1e-3,
    headRate: 1e-2,
    ...more.hyperparameters,
  },
})

const options = { threads: 1 }

describe('training of a field model', () => {
  it('learns what to copy and what to choose', async () => {
    const hooks = observe()
    const trained = await trainFields(
      inputOf({
        rows: rowsOf(160, 1),
        validationRows: rowsOf(30, 2),
        hyperparameters: { epochs: 8 },
      }),
      hooks,
      options
    )
    expect(hooks.progress[0]!.train_loss).toBeGreaterThan(1)
    expect(trained.metrics.valid_loss).toBeLessThan(0.2)
    expect(trained.validRight).toBeGreaterThan(0.95)
    expect(hooks.progress.map(({ step }) => step).slice(0, 3)).toEqual([1, 2, 3])
    expect(hooks.progress[0]).toMatchObject({ total_steps: 160, valid_loss: null })
    expect(hooks.progress.at(-1)).toMatchObject({ eta_seconds: 0, valid_loss: expect.any(Number) })
    expect(trained.metrics.tokens_per_second).toBeGreaterThan(0)
    expect(trained.trainedTokens).toBeGreaterThan(160 * 6)
  })

  it.each([
    [20, 20],
    [900, 10],
    [3_000, 6],
  ])('sees few rows more often: %d in %d epochs', async (rows, expected) => {
    const input = inputOf({ rows: rowsOf(rows, 1), checkpointDir: null })
    const { epochs: _, ...hyperparameters } = input.hyperparameters
    let seconds = 0
    // each look at the clock is a second
    const ended = { ...options, maxSeconds: 1, now: () => 1_000 * seconds++ }
    const trained = await trainFields({ ...input, hyperparameters }, observe(), ended)
    expect(trained.hyperparameters.epochs).toBe(expected)
  })

  it('ends in its time, at a learning rate that has fallen', async () => {
    const hooks = observe()
    // each look at the clock is a second
    let seconds = 0
    const now = (): number => 1_000 * seconds++
    const input = inputOf({ checkpointDir: null, hyperparameters: { epochs: 100 } })
    const trained = await trainFields(input, hooks, { ...options, now, maxSeconds: 40 })
    expect(trained.metrics.steps).toBeLessThan(20)
    expect(trained.metrics.seconds).toBeGreaterThanOrEqual(40)
    expect(hooks.progress.at(-1)!.eta_seconds).toBe(0)
    expect(hooks.progress[1]!.eta_seconds).toBeLessThan(40)
  })

  it('gives the same theta for the same seed and another for another', async () => {
    const thetas: Float32Array[] = []
    for (const seed of [1, 1, 2])
      thetas.push((await trainFields(inputOf({ seed }), observe(), options)).theta)
    expect(thetas[1]).toEqual(thetas[0])
    expect(thetas[2]).not.toEqual(thetas[0])
  })

  it('goes on after an abort to the theta of an uninterrupted run', async () => {
    const validationRows = rowsOf(10, 2)
    const whole = await trainFields(inputOf({ validationRows }), observe(), options)
    const controller = new AbortController()
    const hooks = observe(controller.signal)
    const input = inputOf({ validationRows })
    hooks.onProgress = ({ step }) => step === 4 && controller.abort(new Error('stop here'))
    await expect(trainFields(input, hooks, options)).rejects.toThrow('stop here')
    const resumed = observe()
    const rest = await trainFields(input, resumed, options)
    expect(resumed.messages).toEqual(['resumed from the checkpoint at step 4'])
    expect(resumed.progress.map(({ step }) => step)).toEqual([5, 6, 7, 8, 9])
    expect(rest.theta).toEqual(whole.theta)
    expect(rest.validRight).toBe(whole.validRight)
    expect(rest.metrics.valid_loss).toBe(whole.metrics.valid_loss)
    expect(rest.trainedTokens).toBe(whole.trainedTokens)
  })

  it('goes on to the same theta after it died between two steps', async () => {
    const validationRows = rowsOf(10, 2)
    const whole = await trainFields(inputOf({ validationRows }), observe(), options)
    for (const at of [1, 3, 4, 9]) {
      const input = inputOf({ validationRows })
      const dying = observe()
      dying.onProgress = ({ step }) => {
        if (step === at) throw new Error('killed')
      }
      const often = { ...options, checkpointSeconds: 0 }
      await expect(trainFields(input, dying, often)).rejects.toThrow('killed')
      const resumed = observe()
      expect((await trainFields(input, resumed, options)).theta).toEqual(whole.theta)
      expect(resumed.progress[0]!.step).toBe(at)
    }
  })

  it('starts anew when the checkpoint is of another job', async () => {
    const input = inputOf()
    await trainFields(input, observe(), options)
    const hooks = observe()
    await trainFields({ ...input, rows: rowsOf(20, 5) }, hooks, options)
    expect(hooks.messages).toEqual([])
    expect(hooks.progress[0]!.step).toBe(1)
  })

  it('ends early, with the theta of the best epoch, when validation gets worse', async () => {
    const input = inputOf({
      rows: rowsOf(80, 1),
      validationRows: rowsOf(60, 2).map(untagged),
      hyperparameters: { epochs: 20, patience: 2 },
    })
    const hooks = observe()
    const trained = await trainFields(input, hooks, options)
    expect(trained.metrics.steps).toBeLessThan(20 * 10)
    expect(hooks.progress.at(-1)!.eta_seconds).toBe(0)
    // what is returned is not the last theta
    expect(trained.validRight).toBeGreaterThan(0.3)
    expect(trained.metrics.valid_loss).not.toBe(hooks.progress.at(-1)!.valid_loss)
    const again = observe()
    expect((await trainFields(input, again, options)).theta).toEqual(trained.theta)
    expect(again.progress).toEqual([])
  })

  it('ends with what to do when it diverges', async () => {
    const input = inputOf({ hyperparameters: { layerRate: 1e30, headRate: 1e30 } })
    await expect(trainFields(input, observe(), options)).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('lower learning rates'),
    })
  })

  it('takes batches that do not fit into one run, and rows that are cut', async () => {
    const long = Array.from({ length: 300 }, () => 'card').join(' ')
    const sources = [{ name: 'query', text: long }]
    const targets = { tags: new Int32Array(wordsOf(long).length), choices: Int32Array.of(0) }
    const rows = Array.from({ length: 24 }, () => ({ sources, targets }))
    const hooks = observe()
    const input = inputOf({ rows, hyperparameters: { epochs: 1, batchSize: 24 } })
    const { trainedTokens } = await trainFields(input, hooks, options)
    expect(hooks.messages[0]).toContain('24 rows are longer than the encoder reads')
    expect(trainedTokens).toBe(24 * 8 * 16)
  })
})

const manifestOf = (): FieldManifest => ({
  encoder: encoder.name,
  encoder_fingerprint: encoder.fingerprint,
  sizes,
  form: null,
  kinds: { names: [], classes: [] },
  rows: 80,
  data_hash: 'hash',
  seed: 7,
  hyperparameters: {},
  suffix: null,
  metadata: {},
})

type Weights = Pick<FieldModelFile, 'layout' | 'theta'>

const openModel = async (file: Weights, precision: 'float32' | 'q8') => {
  const model = await FieldModel.open(encoder, file, { threads: 1, precision })
  onTestFinished(() => model.close())
  return model
}

const highest = (logs: Float32Array): number => logs.indexOf(Math.max(...logs))

const repeated = (words: number): Source[] => [
  { name: 'query', text: Array.from({ length: words }, () => 'card').join(' ') },
]

const largestDifference = (one: ArrayLike<number>, other: ArrayLike<number>): number =>
  Math.max(...Array.from(one, (value, at) => Math.abs(Math.exp(value) - Math.exp(other[at]!))))

describe('field model', () => {
  let file: FieldModelFile
  let inMemory: Weights
  const asked = rowsOf(20, 3)
  const sources = asked.map((row) => row.sources)

  beforeAll(async () => {
    const { theta, layout } = await trainFields(
      inputOf({ rows: rowsOf(160, 1), hyperparameters: { epochs: 8 } }),
      observe(),
      options
    )
    const content = { manifest: manifestOf(), theta, codes: new Int8Array() }
    const id = await writeFieldModel(join(folder, 'models'), content, encoder)
    file = await readFieldModel(join(folder, 'models'), id, encoder)
    inMemory = { layout, theta }
  })

  it('tags and chooses as it was trained to', async () => {
    const scores = await (await openModel(file, 'float32')).scores(sources)
    const right = asked.filter(({ targets }, row) => {
      const { tags, choices } = scores[row]!
      expect(tags).toHaveLength(targets.tags.length * 3)
      return (
        [...targets.tags].every(
          (tag, word) => highest(tags.subarray(word * 3, word * 3 + 3)) === tag
        ) && highest(choices[0]!) === targets.choices[0]
      )
    })
    expect(right.length).toBeGreaterThanOrEqual(19)
    expect(scores.every(({ cut }) => !cut)).toBe(true)
  })

  it('scores from its file as from memory, to 1e-4', async () => {
    const stored = await (await openModel(file, 'float32')).scores(sources)
    const exact = await (await openModel(inMemory, 'float32')).scores(sources)
    for (const [row, { tags, choices }] of stored.entries()) {
      expect(largestDifference(tags, exact[row]!.tags)).toBeLessThan(1e-4)
      expect(largestDifference(choices[0]!, exact[row]!.choices[0]!)).toBeLessThan(1e-4)
    }
  })

  it('scores nearly the same in eight bits', async () => {
    const exact = await (await openModel(file, 'float32')).scores(sources)
    const coarse = await (await openModel(file, 'q8')).scores(sources)
    for (const [row, { tags }] of coarse.entries())
      expect(largestDifference(tags, exact[row]!.tags)).toBeLessThan(0.1)
  })

  it('reads texts longer than the encoder, says what it has not read, and gives the order asked for', async () => {
    const model = await openModel(file, 'float32')
    const scores = await model.scores([repeated(300), repeated(1), repeated(20), repeated(0)])
    expect(scores.map(({ cut }) => cut)).toEqual([true, false, false, false])
    expect(scores.map(({ tags }) => tags.length)).toEqual([900, 3, 60, 0])
    const even = Math.fround(-Math.log(3))
    expect([...scores[0]!.tags.subarray(-3)]).toEqual([even, even, even])
    for (const { tags } of scores.slice(1, 3)) expect(tags).not.toContain(even)
    expect(scores.every(({ choices }) => choices[0]!.length === 2)).toBe(true)
  })

  it('is refused when it cannot be read', async () => {
    await expect(readFieldModel(folder, 'fields-none', encoder)).rejects.toMatchObject({
      code: 'store-unavailable',
    })
  })
})
