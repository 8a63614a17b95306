/** Rows of field models as inputs of the graphs, and outputs as scores of rows. */
import { describe, expect, it } from 'vitest'
import {
  lossTotals,
  packExamples,
  packFields,
  rightRows,
  splitByTokens,
  unpackScores,
  type FieldExample,
  type TokenEmbeddings,
} from '../../adapters/onnx/encoder/fields/field-batch.ts'
import type { FieldTokens } from '../../adapters/onnx/encoder/fields/field-tokens.ts'

const embeddings: TokenEmbeddings = {
  words: Float32Array.of(0, 0, 1, 2, 3, 4),
  positions: Float32Array.of(10, 10, 20, 20, 30, 30),
  types: Float32Array.of(100, 100),
  hiddenSize: 2,
}

/** One window with a word at each of the given places. */
const row = (ids: number[], places: number[]): FieldTokens => ({
  windows: [
    {
      ids,
      types: ids.map((_, at) => at % 2),
      words: places.map((token, word) => ({ word, token })),
    },
  ],
  words: places.length,
  cut: false,
})

const sizes = { fields: 1, choices: [2, 3] }
const two = [row([1, 2, 0], [1]), row([1, 2], [0, 1])]
const examples: FieldExample[] = [
  { tokens: two[0]!, targets: { tags: Int32Array.of(1), choices: Int32Array.of(1, 0) }, weight: 1 },
  {
    tokens: two[1]!,
    targets: { tags: Int32Array.of(0, 2), choices: Int32Array.of(0, 2) },
    weight: 3,
  },
]

const numbers = (data: ArrayLike<number | bigint>): number[] => Array.from(data, Number)

describe('field batches', () => {
  it('embed tokens, pad windows and say where words are', () => {
    const { inputs, words, tokens } = packFields(two, embeddings)
    expect(tokens).toBe(6)
    expect(inputs.embedded!.dims).toEqual([2, 3, 2])
    expect(numbers(inputs.embedded!.data)).toEqual([
      111, 112, 123, 124, 130, 130, 111, 112, 123, 124, 0, 0,
    ])
    expect(numbers(inputs.mask!.data)).toEqual([1, 1, 1, 1, 1, 0])
    expect(words).toEqual([
      { row: 0, word: 0 },
      { row: 1, word: 0 },
      { row: 1, word: 1 },
    ])
    expect(numbers(inputs.word_tokens!.data)).toEqual([1, 3, 4, 0])
    const third = Math.fround(1 / 3)
    expect(numbers(inputs.pool!.data)).toEqual([third, third, third, 0, 0, 0, 0, 0, 0, 0.5, 0.5, 0])
  })

  it('have targets and weights that sum to one for words and for rows', () => {
    const totals = lossTotals(examples)
    expect(totals).toEqual({ words: 1 + 2 * 3, rows: 4 })
    const { inputs } = packExamples(examples, embeddings, sizes, totals)
    expect(numbers(inputs.tag_targets!.data)).toEqual([0, 1, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0])
    const seventh = Math.fround(1 / 7)
    const threeSevenths = Math.fround(3 / 7)
    expect(numbers(inputs.tag_weights!.data)).toEqual([seventh, threeSevenths, threeSevenths, 0])
    expect(numbers(inputs.word_of_token!.data)).toEqual([4, 0, 4, 1, 2, 4])
    expect(numbers(inputs.choice_targets!.data)).toEqual([0, 1, 1, 0, 0, 1, 0, 0, 0, 1])
    expect(numbers(inputs.choice_weights!.data)).toEqual([0.25, 0.75])
  })

  it('put outputs back into rows, and know nothing of words that were cut', () => {
    const cut: FieldTokens = { ...two[0]!, words: 3, cut: true }
    const rows = [cut, two[1]!]
    const scores = unpackScores(rows, packFields(rows, embeddings), sizes, {
      tags: Float32Array.of(-1, -2, -3, -4, -5, -6, -7, -8, -9, 0, 0, 0),
      choices: Float32Array.of(-1, -2, -3, -4, -5, -6, -7, -8, -9, -10),
    })
    const even = Math.fround(-Math.log(3))
    expect(numbers(scores[0]!.tags)).toEqual([-1, -2, -3, even, even, even, even, even, even])
    expect(numbers(scores[1]!.tags)).toEqual([-4, -5, -6, -7, -8, -9])
    expect(scores[1]!.choices.map(numbers)).toEqual([
      [-6, -7],
      [-8, -9, -10],
    ])
  })

  it('count rows of which everything is right', () => {
    const batch = packFields(two, embeddings)
    const tags = Float32Array.of(-2, -1, -3, -1, -2, -3, -3, -2, -1, 0, 0, 0)
    const choices = Float32Array.of(-2, -1, -1, -2, -3, -1, -2, -3, -2, -1)
    expect(rightRows(examples, batch, sizes, { tags, choices })).toBe(2)
    const other = choices.slice()
    other[8] = 0
    expect(rightRows(examples, batch, sizes, { tags, choices: other })).toBe(1)
    tags[1] = NaN
    expect(rightRows(examples, batch, sizes, { tags, choices: other })).toBe(0)
  })

  it('are bounded by tokens with padding, rows of similar length together', () => {
    const rows = [5, 1, 5, 2, 30].map((length) => row(Array<number>(length).fill(1), []))
    expect(splitByTokens(rows, 10)).toEqual([[1, 3], [0, 2], [4]])
    expect(splitByTokens([], 10)).toEqual([])
  })
})
