/** Reads a page of held-out answers: the mistakes first, then the answers that it was least sure of. */
import type { Internalization } from '../../../core/internalization/internalization.ts'
import {
  examplesFor,
  heldOutAnswers,
  type HeldOutAnswer,
  type HeldOutExample,
} from '../../../lifecycle/held-out-examples.ts'
import type { Store } from '../../../store/store.ts'
import { zip } from '../../../core/lists.ts'
import { pageOf } from '../parts/filter.tsx'

export const ANSWERS_ON_A_PAGE = 25
/** Answers whose texts are read for one search. */
export const MOST_SEARCHED = 1000
const READ_AT_ONCE = 100

export const ANSWER_KINDS = ['all', 'wrong', 'disagree', 'agree', 'above', 'deferred'] as const
export type AnswerKind = (typeof ANSWER_KINDS)[number]

export interface AnswersQuery {
  kind: AnswerKind
  /** part of a text, in any case; '' finds all */
  search: string
  /** path of a field in which the answer disagrees; '' finds all */
  field: string
  /** from 1 on; beyond the last one it is the last one */
  page: number
  /** index into the plan */
  arm: number
}

export type ShownAnswer = HeldOutAnswer & HeldOutExample

export interface AnswersPage {
  shown: ShownAnswer[]
  /** answers by kind, before the search */
  counts: Record<AnswerKind, number>
  /** answers that the kind and the search leave */
  found: number
  /** answers that the search has read; null without one */
  searched: number | null
  page: number
  pages: number
}

const isOf = (kind: AnswerKind, { row, agrees, isAboveThreshold }: HeldOutAnswer): boolean => {
  if (kind === 'all') return true
  if (kind === 'above') return isAboveThreshold === true
  if (kind === 'wrong') return isAboveThreshold === true && !agrees
  const isDeferred = row.deferred !== null
  return kind === 'deferred' ? isDeferred : !isDeferred && agrees === (kind === 'agree')
}

/** 0: it disagrees; 1: it agrees; 2: it is never given. */
const rankOf = ({ row, agrees }: HeldOutAnswer): number => {
  if (row.deferred !== null) return 2
  return agrees ? 1 : 0
}

/**
 * Disagreements first, the surest of them first, because these come closest to a client; then agreements, the
 * least sure first; then what is never given.
 */
export const inReadingOrder = <T extends HeldOutAnswer>(answers: readonly T[]): T[] =>
  answers.toSorted((a, b) => {
    const byRank = rankOf(a) - rankOf(b)
    if (byRank !== 0) return byRank
    return rankOf(a) === 1 ? a.confidence - b.confidence : b.confidence - a.confidence
  })

const isFound =
  ({ search, field }: Pick<AnswersQuery, 'search' | 'field'>) =>
  ({ query, promptedAnswer, adaptedAnswer, fieldsApart }: HeldOutExample): boolean => {
    const wanted = search.toLowerCase()
    const hasText = [query, promptedAnswer, adaptedAnswer].some(
      (text) => text?.toLowerCase().includes(wanted) === true
    )
    return (search === '' || hasText) && (field === '' || fieldsApart.includes(field))
  }

const withTexts = async (
  store: Store,
  row: Internalization,
  answers: readonly HeldOutAnswer[]
): Promise<ShownAnswer[]> => {
  const examples = await examplesFor(store, row, answers)
  return zip(answers, examples).map(([answer, example]) => ({ ...answer, ...example }))
}

/** A part at a time, because the store's thread has other calls to answer. */
const search = async (
  store: Store,
  row: Internalization,
  answers: readonly HeldOutAnswer[],
  query: AnswersQuery
): Promise<ShownAnswer[]> => {
  const found: ShownAnswer[] = []
  for (let start = 0; start < answers.length; start += READ_AT_ONCE) {
    const read = await withTexts(store, row, answers.slice(start, start + READ_AT_ONCE))
    found.push(...read.filter(isFound(query)))
  }
  return found
}

const countsOf = (answers: readonly HeldOutAnswer[]): AnswersPage['counts'] =>
  Object.fromEntries(
    ANSWER_KINDS.map((kind) => [kind, answers.filter((answer) => isOf(kind, answer)).length])
  ) as AnswersPage['counts']

export const loadAnswers = async (
  store: Store,
  row: Internalization,
  query: AnswersQuery
): Promise<AnswersPage> => {
  const { kind, search: text, field, page: wanted, arm } = query
  const answers = await heldOutAnswers(store, row, arm)
  const ordered = inReadingOrder(answers.filter((answer) => isOf(kind, answer)))
  const counts = countsOf(answers)
  if (text === '' && field === '') {
    const { rows, page, pages } = pageOf(ordered, wanted, ANSWERS_ON_A_PAGE)
    const shown = await withTexts(store, row, rows)
    return { shown, counts, found: ordered.length, searched: null, page, pages }
  }
  const searched = ordered.slice(0, MOST_SEARCHED)
  const found = await search(store, row, searched, query)
  const { rows: shown, page, pages } = pageOf(found, wanted, ANSWERS_ON_A_PAGE)
  return { shown, counts, found: found.length, searched: searched.length, page, pages }
}
