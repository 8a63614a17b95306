/**
 * Whether a variable piece of a template is a block of retrieved few-shot examples, and how it is divided into
 * items. Decided by the values of all samples.
 */
import { zip } from '../../lists.ts'
import {
  blockDigests,
  divideBlock,
  formOf,
  itemDigests,
  lineLabel,
} from '../../template/example-items.ts'
import type { Division } from '../../template/template.ts'
import { countsOf } from '../../counts.ts'

const NEARLY_ALL = 0.9
const ANSWER_SHARE = 0.5
/** An item of a rarer form is no example: it may be an example with a line more. */
const MIN_FORM_SHARE = 0.25
/** Retrieved examples come from a pool, so some of them recur; turns of conversations do not. */
export const MIN_POOL_RECURRENCE = 0.05

const ANSWER_PART = /(?:->|=>|→|\t|:)\s*(.+)$/u

const labelsOf = (value: string): string[] =>
  value.split('\n').flatMap((line) => lineLabel(line) ?? [])

/** Labels that at least two lines have in nearly every value. */
const repeatedLabels = (values: string[]): string[] => {
  const repeated = values.flatMap((value) =>
    [...countsOf(labelsOf(value))].flatMap(([label, count]) => (count >= 2 ? [label] : []))
  )
  return [...countsOf(repeated)].flatMap(([label, count]) =>
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
  const again = [...countsOf(values).values()].filter((count) => count > 1)
  return again.reduce((sum, count) => sum + count, 0) / values.length
}

/** The label that nearly all blocks begin with, if items may begin at it. */
const firstLabel = (values: string[], labels: readonly string[]): string | null => {
  const firsts = values.flatMap((value) => lineLabel(value.trimStart()) ?? [])
  const [label] =
    [...countsOf(firsts)].find(([, count]) => count >= values.length * NEARLY_ALL) ?? []
  return label !== undefined && labels.includes(label) ? label : null
}

/** Constant text in the first and the last line of a block. */
type Ends = Pick<Division, 'lead' | 'tail'>

/** Nearly all blocks have several items, some of which come back in other samples. */
const divisionAt = (
  values: string[],
  labels: string[],
  start: string | null
): Omit<Division, keyof Ends> | null => {
  const blocks = values.flatMap((value) => divideBlock(value, { start }) ?? [])
  const several = blocks.filter(({ items }) => items.length > 1)
  if (several.length < values.length * NEARLY_ALL) return null
  const drawn = blocks.flatMap(({ items }) => [...new Set(itemDigests(items))])
  if (recurrence(drawn) < MIN_POOL_RECURRENCE) return null
  const items = blocks.flatMap((block) => block.items)
  const forms = [...countsOf(items.map((item) => formOf(item, labels)))].flatMap(([form, count]) =>
    count >= items.length * MIN_FORM_SHARE ? [form] : []
  )
  return forms.length === 0 ? null : { start, labels, forms: forms.sort() }
}

/**
 * How the values are divided where they are few-shot examples: they repeat line labels, items recur, and either
 * the query has the same label or the items end in logged answers. Other retrieved passages stay a slot, because
 * they are knowledge, and so does the history of a chat in one text, because the user wrote it.
 * @param ends constant text at the ends of the values
 * @param queryText the query with the text around it, by sample
 * @returns null for other values
 */
export const exampleDivision = (
  inner: string[],
  ends: Ends,
  responses: (string | null)[],
  queryText: string[]
): Division | null => {
  const values = inner.map((value) => ends.lead + value + ends.tail)
  const labels = repeatedLabels(values)
  if (labels.length === 0) return null
  const worded = labels.filter((label) => /[a-z]/iu.test(label))
  const asked = queryText.filter((text) => worded.some((label) => text.includes(label)))
  const isAsked = asked.length >= queryText.length * NEARLY_ALL
  if (!isAsked && answeredShare(values, responses) < ANSWER_SHARE) return null
  const start = firstLabel(values, labels)
  const byLabel = start === null ? null : divisionAt(values, labels, start)
  const division = byLabel ?? divisionAt(values, labels, null)
  return division && { ...division, ...ends }
}

/** @param block as it stands between the constant texts */
export const itemsOf = (block: string, division: Division): string[] =>
  divideBlock(division.lead + block + division.tail, division)?.items ?? []

/** The items of a block with their digests. */
export const digestedItems = (
  block: string,
  division: Division
): { digest: string; text: string }[] => {
  const items = itemsOf(block, division)
  return zip(itemDigests(items), items).map(([digest, text]) => ({ digest, text }))
}

/** Digests of a block's items that have a form of examples, and of its gaps: what may become known. */
export const learnable = (block: string, division: Division): string[] => {
  const others = new Set(
    digestedItems(block, division)
      .filter(({ text }) => !division.forms.includes(formOf(text, division.labels)))
      .map(({ digest }) => digest)
  )
  return (blockDigests(block, division) ?? []).filter((digest) => !others.has(digest))
}
