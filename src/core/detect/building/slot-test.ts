/**
 * Tests whether the value of a slot helps to predict the answer. Two permutation tests over the sampled
 * exchanges: dependence of features of the answer on the value (G statistic), and words of the value that
 * recur in the answer. Deterministic for a seed.
 */
import { seededRandom, shuffle } from '../../../random.ts'
import { valueIn } from '../../lists.ts'
import { countsOf } from '../../counts.ts'
import { parseJson } from '../../../openai/fields.ts'

const PERMUTATIONS = 499
const SIGNIFICANCE = 0.01
const MIN_ANSWERED = 20

const codes = (values: string[]): Int32Array => {
  const known = new Map<string, number>()
  return Int32Array.from(values, (value) => {
    const code = known.get(value) ?? known.size
    known.set(value, code)
    return code
  })
}

const jsonShape = (answer: string): string => {
  const parsed = parseJson(answer)
  if (parsed !== null && typeof parsed === 'object') return Object.keys(parsed).join(',')
  return /^\W*\w*/u.exec(answer)?.[0].toLowerCase() ?? ''
}

/** Features of an answer that a slot may decide: its text, its shape, its length. */
const answerFeatures = (answers: string[]): Int32Array[] =>
  [
    answers.map((answer) => answer.trim().toLowerCase()),
    answers.map(jsonShape),
    answers.map((answer) => String(Math.floor(Math.log2(1 + answer.length)))),
  ]
    .map(codes)
    .filter((feature) => {
      const distinct = new Set(feature).size
      return distinct > 1 && distinct <= answers.length * 0.6
    })

/** Σ n_ab·ln(n_ab): the part of the G statistic that a permutation changes. */
const dependence = (values: Int32Array, features: Int32Array): number => {
  const width = features.length
  const cells = new Map<number, number>()
  for (let index = 0; index < width; index++) {
    const cell = values[index]! * width + features[index]!
    cells.set(cell, (cells.get(cell) ?? 0) + 1)
  }
  let sum = 0
  for (const count of cells.values()) sum += count * Math.log(count)
  return sum
}

/**
 * One-sided permutation p-value of a statistic, with the +1 of Phipson & Smyth 2010.
 * @param answers by sample; they are shuffled in place
 */
const permutationTest = (
  answers: Int32Array,
  statistic: (answers: Int32Array) => number,
  random: () => number
): number => {
  const observed = statistic(answers)
  let atLeast = 0
  for (let round = 0; round < PERMUTATIONS; round++) {
    shuffle(answers, random)
    if (statistic(answers) >= observed - 1e-9) atLeast++
  }
  return (atLeast + 1) / (PERMUTATIONS + 1)
}

const words = (text: string): string[] => text.toLowerCase().match(/[a-z]{3,}|\d{2,}/gu) ?? []

/** Samples whose answer has a word of the value. @param order place of each sample's answer */
const copies = (values: Set<string>[], answers: Set<string>[], order: Int32Array): number => {
  let count = 0
  for (let index = 0; index < values.length; index++) {
    const answer = answers[order[index]!]!
    for (const word of values[index]!) {
      if (!answer.has(word)) continue
      count++
      break
    }
  }
  return count
}

/**
 * Smallest Bonferroni-adjusted p-value of the tests; null when too few samples were answered or
 * the answers do not vary.
 */
export const influence = (
  values: string[],
  responses: (string | null)[],
  seed: number
): number | null => {
  const rows = values.flatMap((value, index) => {
    const answer = responses[index]
    return answer === null || answer === undefined ? [] : [{ value, answer }]
  })
  const answers = rows.map(({ answer }) => answer)
  if (rows.length < MIN_ANSWERED || new Set(answers).size < 2) return null
  const random = seededRandom(seed)
  const valueCodes = codes(rows.map(({ value }) => value.trim().toLowerCase()))
  const probabilities = answerFeatures(answers).map((feature) =>
    permutationTest(feature, (permuted) => dependence(valueCodes, permuted), random)
  )
  const valueWords = rows.map(({ value }) => new Set(words(value)))
  if (valueWords.some((set) => set.size > 0)) {
    const answerWords = answers.map((answer) => new Set(words(answer)))
    const statistic = (order: Int32Array): number => copies(valueWords, answerWords, order)
    probabilities.push(permutationTest(Int32Array.from(rows.keys()), statistic, random))
  }
  if (probabilities.length === 0) return null
  return Math.min(1, Math.min(...probabilities) * probabilities.length)
}

export const isInfluential = (probability: number): boolean => probability <= SIGNIFICANCE

const LEAST_HOLDERS = 3

/** Natural logarithm of n over k. */
const logChoose = (n: number, k: number): number => {
  let sum = 0
  for (let index = 0; index < k; index++) sum += Math.log((n - index) / (k - index))
  return sum
}

/** P(X ≥ hits) of the hypergeometric distribution: `marked` of `total`, `drawn` without replacement. */
const atLeast = (hits: number, drawn: number, marked: number, total: number): number => {
  let sum = 0
  for (let x = hits; x <= Math.min(drawn, marked); x++)
    if (drawn - x <= total - marked)
      sum += Math.exp(
        logChoose(marked, x) + logChoose(total - marked, drawn - x) - logChoose(total, drawn)
      )
  return sum
}

/** A group of samples and the answer that they have more often than chance explains. */
export interface StandingOut<Group> {
  group: Group
  answer: string
  /** share of all samples with this answer that are in the group */
  reach: number
}

/**
 * The groups of samples whose answers differ from those of the others: one answer comes more often than it
 * would if the group were drawn at random (Fisher's exact test, one-sided, Bonferroni over the groups).
 * @param groups items with the index of their sample; groups with few answers are not tested
 */
export const standsOut = <Group extends readonly { sample: number }[]>(
  groups: readonly Group[],
  responses: readonly (string | null)[]
): StandingOut<Group>[] => {
  const answers = responses.map((response) => response?.trim().toLowerCase() ?? null)
  const answered = answers.filter((answer) => answer !== null)
  const counts = countsOf(answered)
  const tested = groups.map((group) => {
    const samples = new Set(group.map(({ sample }) => sample))
    return { group, own: [...samples].flatMap((sample) => answers[sample] ?? []) }
  })
  const tests = tested.filter(({ own }) => own.length >= LEAST_HOLDERS).length
  return tested.flatMap(({ group, own }) => {
    if (own.length < LEAST_HOLDERS || own.length === answered.length) return []
    const [answer, hits] = [...countsOf(own)].reduce((best, each) =>
      each[1] > best[1] ? each : best
    )
    const all = valueIn(counts, answer)
    const probability = atLeast(hits, own.length, all, answered.length)
    const reach = hits / all
    return probability * tests <= SIGNIFICANCE ? [{ group, answer, reach }] : []
  })
}
