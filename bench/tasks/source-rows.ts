/**
 * What the tasks of `bench:make-task` share: twins, an order, and the files that rows are split into.
 * Nothing here knows a task.
 */
import { createHash } from 'node:crypto'
import { groupBy } from '../../src/core/group-by.ts'
import type { TaskPrefix, TaskRow } from '../harness/data.ts'

const VALID_ROWS = 500

/** Labelled rows of a source, without twins, in an order that does not depend on the source's. */
export interface SourceRows {
  rows: TaskRow[]
  /** null: the source has no test set of its own */
  testRows: TaskRow[] | null
  /** reason → items of the source that are no row */
  leftOut: Record<string, number>
}

export interface SplitSizes {
  rows: number
  testRows: number
}

type TaskFile = 'test.jsonl' | 'valid.jsonl' | 'train.jsonl'

/**
 * Texts that differ in case and punctuation alone are one: no test row has a twin to learn from. The
 * first of the twins stays.
 */
export const distinct = <Item>(items: readonly Item[], textOf: (item: Item) => string): Item[] => {
  const normal = (item: Item): string =>
    textOf(item)
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
      .trim()
  return [...groupBy(items, normal).values()].map((twins) => twins[0]!)
}

/** An order that depends on the keys alone. */
export const shuffled = <Item>(items: readonly Item[], keyOf: (item: Item) => string): Item[] => {
  const digest = (item: Item): string => createHash('sha256').update(keyOf(item)).digest('hex')
  return items
    .map((item) => ({ item, key: digest(item) }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ item }) => item)
}

/** The rows of each file of a task. @throws Error when the source lacks a row that the prompt shows */
export const splitRows = (
  { rows, testRows }: SourceRows,
  { fewshot }: TaskPrefix,
  most: SplitSizes
): Record<TaskFile, TaskRow[]> => {
  const shown = new Set(fewshot?.ids)
  const examples = rows.filter(({ meta }) => shown.has(meta.id))
  if (examples.length < shown.size)
    throw new Error(
      `the source has ${examples.length} of the ${shown.size} rows that the prompt shows`
    )
  const others = rows.filter(({ meta }) => !shown.has(meta.id))
  const test = (testRows ?? others).slice(0, most.testRows)
  const rest = testRows === null ? others.slice(test.length) : others
  return {
    'test.jsonl': test,
    'valid.jsonl': rest.slice(0, VALID_ROWS),
    // examples last, where no stretch of traffic that is cut from the front has them
    'train.jsonl': [...rest.slice(VALID_ROWS, VALID_ROWS + most.rows), ...examples],
  }
}
