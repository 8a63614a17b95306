import { expect, it } from 'vitest'
import { causalPairs, usefulOperations } from '../training/useful-operations.ts'

const SHAPE = {
  vocabSize: 1000,
  hiddenSize: 64,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  headDim: 32,
  intermediateSize: 160,
}

it('useful operations are those of the products, by hand', () => {
  // inputs and outputs of a layer's matrices
  const matrices = [
    [64, 128],
    [64, 64],
    [64, 64],
    [128, 64],
    [64, 160],
    [64, 160],
    [160, 64],
  ] as const
  // forwards and backwards through the frozen matrix; the lora's two also with their own gradients
  const layer = matrices.reduce((sum, [i, o]) => sum + 4 * i * o + 6 * 8 * (i + o), 0)
  const work = { tokens: 95, labels: 20, pairs: 7 }
  const attention = 12 * 4 * 32 * 7
  const head = 4 * 1000 * 64 * 20
  expect(usefulOperations(SHAPE, 8, work)).toBe(3 * (95 * layer + attention) + head)
})

it('pairs of a causal mask', () => {
  expect(causalPairs(3)).toBe(6)
})
