/**
 * The kind of a variable piece of a template: retrieved examples, or a slot with its type, its name and
 * whether it is kept. Decided by the values of all samples.
 */
import { createHash } from 'node:crypto'
import type { Slot, SlotEvidence } from '../../template/template.ts'
import { countOf } from './align.ts'
import { influence, isInfluential } from './evidence.ts'
import { maskOf } from './mask.ts'

/** The words of a text in lower case, in order: runs of letters and digits of any script. */
export const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []

const MAX_ENUM_VALUES = 16
/** Good–Turing: the share of values seen once estimates the share of unseen ones. */
const MAX_UNSEEN_SHARE = 0.02
const TYPED_SHARE = 0.95
/** longer values are information, not labels: they are kept unless typed */
const MAX_DROPPABLE_MEAN_CHARS = 60
/** with fewer answers the test could miss a relevant effect, so the slot is kept */
const MIN_ANSWERED_TO_DROP = 100
const DROP_PROBABILITY = 0.05
const NEARLY_ALL = 0.9
const ANSWER_SHARE = 0.5

const LINE_LABEL = /^\s*(?:([A-Za-z][\w /-]{0,30}[:=])|(["'`<*•-]|\d+[.)]))/u
const ANSWER_PART = /(?:->|=>|→|\t|:)\s*(.+)$/u

/** Line labels ("Question:", a bullet, an opening quote) with their number of lines. */
const lineLabels = (value: string): Map<string, number> =>
  countOf(
    value.split('\n').flatMap((line) => {
      const found = LINE_LABEL.exec(line)
      return found?.[1] ?? found?.[2]?.replace(/\d+/u, '1') ?? []
    })
  )

/** Labels that at least two lines have in nearly every value. */
const repeatedLabels = (values: string[]): string[] => {
  const repeated = values.flatMap((value) =>
    [...lineLabels(value)].flatMap(([label, count]) => (count >= 2 ? [label] : []))
  )
  return [...countOf(repeated)].flatMap(([label, count]) =>
    count >= values.length * NEARLY_ALL ? [label] : []
  )
}

const answerParts = (value: string): string[] =>
  value.split('\n').flatMap((line) => [line.trim(), ANSWER_PART.exec(line)?.[1]?.trim() ?? ''])

/** Share of samples in which an answer of another sample is the answer part of some line. */
const answeredShare = (values: string[], responses: (string | null)[]): number => {
  const answers = new Set(
    responses.flatMap((response) => (response?.trim() ? [response.trim()] : []))
  )
  const hits = values.filter((value) => answerParts(value).some((part) => answers.has(part)))
  return hits.length / values.length
}

/** Share of values that another sample has, too: values from a pool recur, conversations do not. */
export const recurrence = (values: string[]): number => {
  const counts = countOf(values)
  return values.filter((value) => counts.get(value)! > 1).length / values.length
}

const MIN_ITEM_CHARS = 8
/** Retrieved examples come from a pool, so some of them recur; turns of conversations do not. */
export const MIN_POOL_RECURRENCE = 0.05

/** Whether lines of the values come back in other samples. Those that most samples have say nothing. */
const haveLinesOfPool = (values: string[]): boolean => {
  const lines = values.flatMap((value) => [
    ...new Set(value.split('\n').filter((line) => line.trim().length >= MIN_ITEM_CHARS)),
  ])
  const counts = countOf(lines)
  const items = lines.filter((line) => counts.get(line)! <= values.length / 2)
  return items.length === 0 || recurrence(items) >= MIN_POOL_RECURRENCE
}

/**
 * Whether the values are few-shot examples: they repeat line labels, lines of them recur, and either the
 * query has the same label or the items end in logged answers. Other retrieved passages stay a slot, because
 * they are knowledge, and so does the history of a chat in one text, because the user wrote it.
 * @param queryText the query with the text around it, by sample
 */
export const areExamples = (
  values: string[],
  responses: (string | null)[],
  queryText: string[]
): boolean => {
  const labels = repeatedLabels(values)
  if (labels.length === 0 || !haveLinesOfPool(values)) return false
  const worded = labels.filter((label) => /[a-z]/iu.test(label))
  const asked = queryText.filter((text) => worded.some((label) => text.includes(label)))
  if (asked.length >= queryText.length * NEARLY_ALL) return true
  return answeredShare(values, responses) >= ANSWER_SHARE
}

const STOP_WORDS = new Set(
  'a an and are as at be by for from in is it its of on or that the this to was with you your'.split(
    ' '
  )
)
const MAX_NAME_WORDS = 2
/** of the text before a slot; the patterns below take quadratic time on long runs of blanks */
const LABEL_CHARS = 200

/** @returns the base, with a number behind it when it is taken */
export const uniqueName = (base: string, taken: Set<string>): string => {
  let name = base
  for (let number = 2; taken.has(name); number++) name = `${base}_${number}`
  taken.add(name)
  return name
}

/** A name from the words before the slot; short, because it costs tokens in every request. */
const slotName = (before: string, taken: Set<string>): string => {
  const line = before.trimEnd().slice(-LABEL_CHARS).split('\n').at(-1) ?? ''
  const label =
    line
      .replace(/[\s:=]+$/u, '')
      .split(/[|.;,:]/u)
      .at(-1) ?? ''
  const found = wordsOf(label)
  const telling = found.filter((word) => !STOP_WORDS.has(word))
  // of a label the first words, of running text the words next to the value
  const chosen = /[:=]\s*$/u.test(line)
    ? telling.slice(0, MAX_NAME_WORDS)
    : telling.slice(-MAX_NAME_WORDS)
  return uniqueName(chosen.join('_').slice(0, 24) || 'slot', taken)
}

/** Messages of these roles are written by the application alone. */
export const isInstruction = (role: string): boolean => role === 'system' || role === 'developer'

interface SlotContext {
  values: string[]
  responses: (string | null)[]
  /** constant text before the slot */
  before: string
  role: string
  /** constant text separates the slot from the query, so the application wrote the slot */
  apart: boolean
  taken: Set<string>
}

const seedOf = (text: string): number => createHash('sha256').update(text).digest().readInt32LE(0)

const decide = (context: SlotContext, name: string): { kept: boolean; evidence: SlotEvidence } => {
  const { values, responses, role, apart } = context
  const masks = values.map(maskOf)
  const typed = masks.filter((mask) => mask !== null).length >= values.length * TYPED_SHARE
  const mask = typed ? masks.find((found) => found !== null)! : null
  const probability = influence(values, responses, seedOf(name + context.before))
  const base = { mask, probability, distinct: new Set(values).size, samples: values.length }
  const instructions = isInstruction(role)
  if (probability !== null && isInfluential(probability)) {
    return { kept: true, evidence: { ...base, reason: 'predicts-answer' } }
  }
  if (mask !== null && (instructions || apart)) {
    return { kept: false, evidence: { ...base, reason: 'typed-value' } }
  }
  const chars = values.reduce((sum, value) => sum + value.length, 0)
  const short = chars <= values.length * MAX_DROPPABLE_MEAN_CHARS
  const tested = probability !== null && probability > DROP_PROBABILITY
  const answered = responses.filter((response) => response !== null).length
  if (instructions && short && tested && answered >= MIN_ANSWERED_TO_DROP) {
    return { kept: false, evidence: { ...base, reason: 'no-effect' } }
  }
  const reason = instructions ? 'undecided' : 'user-text'
  return { kept: true, evidence: { ...base, reason } }
}

/** The slot that a variable piece is. */
export const describeSlot = (context: SlotContext): Slot => {
  const { values } = context
  const name = slotName(context.before, context.taken)
  const { kept, evidence } = decide(context, name)
  const counts = countOf(values)
  const distinct = [...counts.keys()].sort()
  const longest = Math.max(...distinct.map((value) => value.length))
  const once = [...counts.values()].filter((count) => count === 1).length
  const closed =
    kept && distinct.length <= MAX_ENUM_VALUES && once <= values.length * MAX_UNSEEN_SHARE
  return {
    kind: 'slot',
    name,
    type: closed ? 'enum' : 'short',
    ...(closed ? { values: distinct } : {}),
    maxChars: Math.max(longest * 2, longest + 16),
    multiline: distinct.some((value) => value.includes('\n')),
    kept,
    evidence,
  }
}
