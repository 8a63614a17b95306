/** bench:paper without an engine: its cells, its stages, its journal, its command line. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LINEAR, REFERENCE, TRAINING_NAMES, TRAININGS } from '../../bench/paper/arms.ts'
import {
  cellArms,
  cellKey,
  listCells,
  type Cell,
  type CellOptions,
  type CellResult,
} from '../../bench/paper/cells.ts'
import { openJournal, parseJournal } from '../../bench/paper/journal.ts'
import { parseOptions } from '../../bench/paper/options.ts'
import {
  curveHyperparameters,
  equalSteps,
  pooledCosts,
  secondsOf,
  secondsPerStep,
  stageShapes,
  stepsInTime,
  type Costs,
} from '../../bench/paper/stages.ts'
import { checkSetup, openCells, resultsOf, type Entry } from '../../bench/paper/work/lanes.ts'

const OPTIONS: CellOptions = {
  subjects: ['a', 'b'],
  seeds: 3,
  trainings: TRAINING_NAMES,
  matchings: ['steps', 'time', 'curve'],
  exchanges: 240,
  mainExchanges: [60, 480],
  mainTrainings: [REFERENCE, LINEAR],
}

describe('the cells of a run', () => {
  const cells = listCells(OPTIONS)
  const count = (wanted: Partial<Cell>): number =>
    cells.filter((cell) =>
      Object.entries(wanted).every(([name, value]) => cell[name as keyof Cell] === value)
    ).length

  it('are different, and each training is in both matchings', () => {
    expect(new Set(cells.map(cellKey)).size).toBe(cells.length)
    for (const training of TRAINING_NAMES)
      for (const matching of ['steps', 'time'] as const)
        expect(count({ training, matching, exchanges: 240 })).toBe(2 * 3)
  })

  it('have the main trainings, and no others, on fewer and on more rows', () => {
    expect(count({ exchanges: 60 })).toBe(2 * 3 * 2 * 2 + 2 * 3)
    expect(count({ training: LINEAR, exchanges: 480 })).toBe(2 * 3 * 2)
    expect(count({ training: 'linear_2', exchanges: 60 })).toBe(0)
  })

  it('have the fits of a learning curve and the rows that it predicts', () => {
    const curve = cells.filter(({ matching }) => matching === 'curve')
    expect(new Set(curve.map(({ exchanges }) => exchanges))).toEqual(
      new Set([30, 60, 120, 240, 480])
    )
    expect(curve.every(({ training }) => training === REFERENCE)).toBe(true)
  })

  it('finish one seed of all subjects before the next seed', () => {
    const seeds = cells.map(({ seed }) => seed)
    expect(seeds).toEqual(seeds.toSorted((a, b) => a - b))
  })

  it('measure the arms of their training, and the base model with and without its prompt', () => {
    expect(cellArms(cells.find(({ training }) => training === 'full_prompt')!)).toEqual({
      prompt: 'full_prompt',
      query: 'full_prompt_removed',
    })
    expect(count({ training: 'base' })).toBe(2)
    const arms = TRAINING_NAMES.flatMap((name) => Object.values(TRAININGS[name].arms))
    expect(new Set(arms).size).toBe(arms.length)
  })
})

const FACTS = { parameters: 4e6, templateTokens: 450, rows: 240, examples: 3 }
const COSTS: Costs = {
  points: [
    { promptTokens: 0, secondsPerStep: 0.05 },
    { promptTokens: 200, secondsPerStep: 0.15 },
    { promptTokens: 400, secondsPerStep: 0.27 },
  ],
  teacherSecondsPerRow: 0.02,
}

const shapes = (name: (typeof TRAINING_NAMES)[number]) => stageShapes(TRAININGS[name], FACTS)

const prompts = (name: (typeof TRAINING_NAMES)[number]) =>
  shapes(name).map(({ templateShare, examples }) => [Number(templateShare.toFixed(3)), examples])

describe('the stages of a training', () => {
  it.each([
    [REFERENCE, [[0, 0]]],
    ['full_prompt', [[1, 3]]],
    // prettier-ignore
    [LINEAR, [[1, 3], [0.667, 2], [0.333, 1], [0, 0]]],
    // prettier-ignore
    ['linear_2', [[1, 3], [0, 0]]],
    // prettier-ignore
    ['examples_constant', [[1, 3], [0.667, 3], [0.333, 3], [0, 0]]],
    // prettier-ignore
    ['compression_0_3', [[0.3, 3], [0.2, 2], [0.1, 1], [0, 0]]],
    // prettier-ignore
    ['compression_0', [[0, 3], [0, 2], [0, 1], [0, 0]]],
    ['self_distillation', [[0, 0]]],
  ] as const)('%s has its shares of template and examples', (name, expected) => {
    expect(prompts(name)).toEqual(expected)
  })

  it('share one curve of the learning rate, and name neither steps nor seconds', () => {
    const stages = shapes(LINEAR)
    const spans = stages.map(({ hyperparameters }) => hyperparameters.schedule_span!)
    expect(spans.map(([from]) => from)[0]).toBe(0)
    expect(spans.at(-1)![1]).toBe(1)
    spans.slice(1).forEach(([from], at) => expect(from).toBe(spans[at]![1]))
    for (const { hyperparameters } of stages)
      for (const name of ['max_steps', 'max_seconds', 'n_epochs'])
        expect(hyperparameters).not.toHaveProperty(name)
  })

  it('can have a curve each', () => {
    const [one, each] = [shapes(LINEAR), shapes('linear_4_restarts')]
    expect(each.map(({ effort }) => effort)).toEqual(one.map(({ effort }) => effort))
    for (const { hyperparameters } of each) {
      expect(hyperparameters).toMatchObject({ warmup_ratio: 0.1 })
      expect(hyperparameters).not.toHaveProperty('schedule_span')
    }
  })

  it('divide equal steps by effort, two fifths of it in the last stage', () => {
    const efforts = shapes(LINEAR).map(({ effort }) => ({ effort, promptTokens: 0 }))
    expect(equalSteps(efforts, 240)).toEqual([48, 48, 48, 96])
    expect(equalSteps([{ effort: 0.001, promptTokens: 0 }], 10)).toEqual([1])
  })

  it('have between two measured lengths a cost between theirs', () => {
    expect(secondsPerStep(COSTS, 0)).toBeCloseTo(0.05, 12)
    expect(secondsPerStep(COSTS, 100)).toBeCloseTo(0.1, 12)
    expect(secondsPerStep(COSTS, 300)).toBeCloseTo(0.21, 12)
    expect(secondsPerStep(COSTS, 500)).toBeCloseTo(0.33, 12)
  })

  it('cost in subjects that are alike what most of them cost', () => {
    const others = [1, 5].map((factor): Costs => ({
      points: COSTS.points.map(({ promptTokens, secondsPerStep: seconds }) => ({
        promptTokens: factor * promptTokens,
        secondsPerStep: factor * seconds,
      })),
      teacherSecondsPerRow: factor,
    }))
    expect(pooledCosts([COSTS, ...others])).toEqual({ ...COSTS, teacherSecondsPerRow: 1 })
    expect(pooledCosts(others).points[1]).toEqual({ promptTokens: 600, secondsPerStep: 0.45 })
  })

  it('take the same time in any arm when the time is equal', () => {
    const budget = 40
    for (const tokens of [0, 150, 400]) {
      const stages = [
        { effort: 0.3, promptTokens: tokens },
        { effort: 0.7, promptTokens: 0 },
      ]
      const steps = stepsInTime(stages, budget, COSTS)
      const costOfOneStep = secondsPerStep(COSTS, tokens)
      expect(Math.abs(secondsOf(stages, steps, COSTS) - budget)).toBeLessThan(costOfOneStep)
      expect(steps[1]).toBe(560)
    }
    expect(stepsInTime([{ effort: 1, promptTokens: 0 }], -3, COSTS)).toEqual([1])
  })

  it('are the product’s own in the learning curve', () => {
    const steps = [30, 60, 120, 240, 480].map(
      (rows) => curveHyperparameters(TRAININGS[REFERENCE], FACTS, rows).max_steps
    )
    // ten epochs of batches of eight
    expect(steps).toEqual([38, 75, 150, 300, 600])
  })
})

describe('the journal', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'paper-journal-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('cuts off a line that a stopped run left torn, and goes on behind it', () => {
    const path = join(folder, 'cells.jsonl')
    writeFileSync(path, '{"a":"ü"}\n{"a":2}\n{"a":3')
    const journal = openJournal<{ a: unknown }>(path)
    expect(journal.entries).toEqual([{ a: 'ü' }, { a: 2 }])
    expect(readFileSync(path, 'utf8')).toContain('{"a":3')
    journal.add({ a: 4 })
    expect(journal.entries.at(-1)).toEqual({ a: 4 })
    expect(readFileSync(path, 'utf8')).toBe('{"a":"ü"}\n{"a":2}\n{"a":4}\n')
  })

  it('takes a last line without its end for torn, even if it could be read', () => {
    expect(parseJournal('{"a":1}\n{"a":2}').entries).toEqual([{ a: 1 }])
    expect(parseJournal('').entries).toEqual([])
  })

  it('refuses a file that is broken before its last line', () => {
    expect(() => parseJournal('{"a":1}\n{"a":\n{"a":3}\n')).toThrow('line 2')
  })

  it('knows which cells are open, and refuses other settings in the same folder', () => {
    const journal = openJournal<Entry>(join(folder, 'cells.jsonl'))
    const setup = { part: 'tiny', model: 'm', steps: 1, queries: 1, curveRows: 1, seed: 1 }
    checkSetup(journal, setup)
    const cells = listCells(OPTIONS)
    const finished: CellResult = {
      ...cells[3]!,
      stages: [],
      plannedSeconds: 0,
      promptTokensRead: 0,
      right: {},
    }
    journal.add({ kind: 'cell', commit: 'c', ...finished })
    const again = openJournal<Entry>(join(folder, 'cells.jsonl'))
    const open = openCells(cells, again.entries)
    expect(open).toHaveLength(cells.length - 1)
    expect(open).not.toContainEqual(cells[3])
    expect([...resultsOf(again.entries).keys()]).toEqual([cellKey(cells[3]!)])
    checkSetup(again, setup)
    expect(again.entries).toHaveLength(2)
    expect(() => checkSetup(again, { ...setup, steps: 2 })).toThrow('steps 1, not 2')
  })
})

describe('the command line', () => {
  it('has the whole tiny part by default', () => {
    const options = parseOptions([])
    expect(options).toMatchObject({
      part: 'tiny',
      model: 'models/tiny',
      applications: 6,
      seeds: 3,
      exchanges: 240,
      mainExchanges: [60, 480],
      queries: 300,
    })
    expect(options.trainings).toEqual(TRAINING_NAMES)
  })

  it('has one lane for an engine by its address, and needs no model then', () => {
    const options = parseOptions(
      '--part task --task x --engine-url http://gpu/v1 --lanes 2'.split(' ')
    )
    expect(options).toMatchObject({
      lanes: 1,
      model: null,
      tasks: ['x'],
      mainExchanges: [100, 1000],
    })
  })

  it.each([
    [['--part', 'none'], '--part knows tiny, task, not none'],
    [['--part', 'task', '--model', 'm'], '--task'],
    [['--part', 'task', '--task', 'x'], '--model'],
    [['--trainings', 'linear_4,linear_5'], 'not linear_5'],
    [['--steps', '0'], '--steps takes whole numbers'],
    [['--main-exchanges', '60,240'], '--main-exchanges'],
  ])('refuses %j', (args, message) => {
    expect(() => parseOptions(args)).toThrow(message)
  })
})
