import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  affordableFirstSteps,
  defaultHyperparameters,
  planStages,
  stageShares,
  type StagePlanInput,
} from '../../src/core/learn/schedule.ts'

const banking: StagePlanInput = {
  stages: 4,
  examples: 5,
  parameters: 135e6,
  templateTokens: 800,
  rows: 1500,
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)

const rate = (parameters: number | null) =>
  defaultHyperparameters({ parameters, templateTokens: 800, rows: 1500 }).learning_rate

const rank = (templateTokens: number, rows: number) =>
  defaultHyperparameters({ parameters: 135e6, templateTokens, rows }).rank

const epochs = (rows: number) =>
  defaultHyperparameters({ parameters: 135e6, templateTokens: 800, rows }).n_epochs

describe('affordableFirstSteps', () => {
  it('is what the first stage’s slice of the time holds', () => {
    // 60 % for three early stages of four, so a fifth of 1,000 seconds
    expect(affordableFirstSteps(4, 1000, 3.9)).toBe(51)
    expect(affordableFirstSteps(4, 1000, 4.1)).toBe(48)
  })
})

const rounded = (shares: number[]) => shares.map((share) => Number(share.toFixed(3)))

describe('stageShares', () => {
  it('falls from everything to nothing, early more than late', () => {
    expect(rounded(stageShares(4))).toEqual([1, 0.335, 0.09, 0])
    expect(stageShares(1)).toEqual([0])
  })

  it('leaves out the stage with the whole prompt in self-distillation', () => {
    expect(rounded(stageShares(3, true))).toEqual([0.335, 0.09, 0])
    expect(stageShares(1, true)).toEqual([0])
  })
})

describe('planStages', () => {
  it('gives the last stage at least 40 % of the steps and of the time, and each a curve of its own', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 20_000 }),
        fc.option(fc.integer({ min: 10, max: 100_000 })),
        (stages, rows, secondsBudget) => {
          const plan = planStages({ ...banking, stages, rows, secondsBudget })
          const steps = plan.map(({ hyperparameters }) => hyperparameters.max_steps!)
          expect(Math.min(...steps)).toBeGreaterThanOrEqual(1)
          expect(steps.at(-1)! / sum(steps)).toBeGreaterThanOrEqual(0.4)
          for (const { hyperparameters } of plan) {
            expect(hyperparameters).not.toHaveProperty('schedule_span')
            expect(hyperparameters.warmup_ratio).toBe(plan.length === 1 ? 0.05 : 0.1)
          }
          if (secondsBudget === null) return
          const seconds = plan.map(({ hyperparameters }) => hyperparameters.max_seconds!)
          expect(sum(seconds)).toBeCloseTo(secondsBudget, 6)
          expect(seconds.at(-1)! / secondsBudget).toBeGreaterThanOrEqual(0.4 - 1e-12)
        }
      )
    )
  })

  it('takes fewer steps with the long prompt, whether or not time is short', () => {
    const [steps, inTime] = [null, 1200].map((secondsBudget) =>
      planStages({ ...banking, secondsBudget }).map(
        ({ hyperparameters }) => hyperparameters.max_steps!
      )
    ) as [number[], number[]]
    expect(inTime).toEqual(steps)
    expect(sum(steps)).toBe(defaultHyperparameters(banking).max_steps)
    expect(steps[0]).toBeLessThan(steps[1]!)
    expect(steps[1]).toBeLessThan(steps[2]!)
    expect(steps[3]! / sum(steps)).toBeGreaterThan(0.6)
  })

  it('has no more examples than prompt when the lora learns from its own base model', () => {
    const plan = planStages({ ...banking, examples: 6, distils: true })
    expect(plan.map(({ examples }) => examples)).toEqual([2, 1, 0, 0])
    expect(plan.at(-1)!.templateShare).toBe(0)
  })

  it('removes the examples along with the template', () => {
    expect(planStages({ ...banking, examples: 6 }).map(({ examples }) => examples)).toEqual([
      6, 2, 0, 0,
    ])
  })

  it('keeps hyperparameters that a person set', () => {
    const [stage] = planStages({
      ...banking,
      stages: 1,
      hyperparameters: { learning_rate: 5e-4, max_steps: 12 },
    })
    expect(stage!.hyperparameters).toMatchObject({
      learning_rate: 5e-4,
      max_steps: 12,
      rank: 16,
      warmup_ratio: 0.05,
    })
  })
})

describe('defaultHyperparameters', () => {
  it.each([
    ['a small model', 135e6, 1500, 8],
    ['a model of medium size', 600e6, 1500, 16],
    ['a model that needs a GPU', 1.7e9, 1500, 32],
    ['one that would take fewer than 300 steps', 1.7e9, 900, 16],
    ['an engine that does not say', null, 1500, 16],
  ])('gives %s a batch', (_, parameters, rows, batch) => {
    const chosen = defaultHyperparameters({ parameters, templateTokens: 800, rows })
    expect(chosen.batch_size).toBe(batch)
    expect(chosen.max_steps).toBe(Math.ceil((rows * chosen.n_epochs) / batch))
  })

  it('follows the size of the model', () => {
    expect([4e6, 135e6, 1.5e9, 7e9, null].map(rate)).toEqual([3e-3, 1e-3, 2e-4, 1e-4, 2e-4])
  })

  it('doubles the rank for long templates and many rows', () => {
    expect([rank(800, 1500), rank(2001, 1500), rank(800, 2001)]).toEqual([16, 32, 32])
  })

  it('repeats few rows up to ten times and many rows once', () => {
    expect([100, 1500, 4000, 50_000].map(epochs)).toEqual([10, 7, 3, 1])
  })
})
