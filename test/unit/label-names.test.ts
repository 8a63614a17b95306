/** What the names of labels add to a head that has few rows of each. */
import { describe, expect, it } from 'vitest'
import { nameText, withLabelNames } from '../../src/core/learn/head/label-names.ts'
import type { TextRows } from '../../src/core/learn/head/text-rows.ts'
import {
  textProbabilities,
  trainTextHead,
  validateTextHead,
} from '../../src/core/learn/text-head.ts'

describe('the text of a label', () => {
  it.each([
    ['card_arrival', 'card arrival'],
    ['CardArrival', 'card arrival'],
    ['top-up/Limits', 'top up limits'],
    ['Überweisung_fehlgeschlagen', 'überweisung fehlgeschlagen'],
    ['level2Support', 'level2 support'],
    ['3', '3'],
    ['+++', '+++'],
  ])('%s', (label, text) => {
    expect(nameText(label)).toBe(text)
  })
})

const LABELS = ['card_arrival', 'lost_phone', 'exchange_rate']
/** Texts without a word of their label. */
const ROWS: [string, number][] = [
  ['when will it be here', 0],
  ['it has not come yet', 0],
  ['someone took mine', 1],
  ['mine is gone', 1],
  ['how many euros is that', 2],
  ['what do I get in pounds', 2],
]

const rows: TextRows = {
  texts: ROWS.map(([text]) => text),
  vectors: null,
  labels: Int32Array.from(ROWS, ([, label]) => label),
  classes: LABELS.length,
}

const answers = (learned: TextRows, texts: string[]): number[] => {
  const validated = validateTextHead(learned, { groups: rows.texts, folds: 2 })
  const shares = textProbabilities(trainTextHead(learned, validated), texts, null)
  return texts.map((_, at) => {
    const own = [...shares.subarray(at * LABELS.length, (at + 1) * LABELS.length)]
    return own.indexOf(Math.max(...own))
  })
}

describe('a head with the names of its labels', () => {
  const queries = ['arrival of a card', 'a phone was lost', 'rate of the exchange']

  it('knows the words of the names, which its rows do not have', () => {
    expect(answers(withLabelNames(rows, LABELS, null), queries)).toEqual([0, 1, 2])
    expect(answers(rows, queries)).not.toEqual([0, 1, 2])
  })

  it('is judged on its rows alone, with the names in every fold', () => {
    const { probabilities, fold } = validateTextHead(withLabelNames(rows, LABELS, null), {
      groups: rows.texts,
      folds: 2,
    })
    expect(fold).toHaveLength(rows.texts.length)
    expect(probabilities).toHaveLength(rows.texts.length * LABELS.length)
  })

  it('keeps the weights and the vectors of the rows', () => {
    const weights = Float32Array.from(ROWS, (_, at) => at)
    const vectors = Float32Array.from(ROWS.flatMap((_, at) => [at, -at]))
    const named = withLabelNames({ ...rows, weights, vectors }, LABELS, new Float32Array(6).fill(7))
    expect([...named.weights!]).toEqual([...weights, 2, 2, 2])
    expect([...named.vectors!]).toEqual([...vectors, 7, 7, 7, 7, 7, 7])
    expect([...named.labels]).toEqual([...rows.labels, 0, 1, 2])
  })
})
