/**
 * Which fields of JSON answers disagree, and how often. The promise is about whole answers: these figures decide
 * nothing. They have names of fields and no values.
 */
import { canonicalJson } from '../json.ts'
import { comparedJson, type Comparison } from './agreement.ts'
import { isMarked, MAX_PATH_CHARS, pathWithin, writtenRules } from './field-rules.ts'
import { fixedJson } from './written-fields.ts'
import { type Fields, isFields } from '../../openai/fields.ts'

/** Fields of one answer, and of all figures: names of fields may be as many as the answers. */
export const MAX_FIELDS = 50

/** Path of an answer that has no fields to compare. */
const WHOLE = '.'

/** In the place of a member that one of two objects does not have. */
const MISSING = Symbol()

const isSame = (a: unknown, b: unknown): boolean =>
  a !== MISSING && b !== MISSING && canonicalJson(a) === canonicalJson(b)

/** Of a name such as `constructor`, too. */
const member = (object: Fields, name: string): unknown =>
  Object.hasOwn(object, name) ? object[name] : MISSING

/** Pairs of inner values, by name; null where two values are compared as wholes. */
const innerPairs = (a: unknown, b: unknown): [name: string | null, unknown, unknown][] | null => {
  if (isMarked(a) || isMarked(b)) return null
  if (Array.isArray(a) && Array.isArray(b) && a.length === b.length)
    return a.map((item, at) => [null, item, b[at]])
  if (!isFields(a) || !isFields(b)) return null
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])]
  return names.map((name) => [name, member(a, name), member(b, name)])
}

/** Recursive: a path is at least as long as its place is deep. */
const addApart = (apart: Set<string>, path: string, a: unknown, b: unknown): void => {
  if (apart.size >= MAX_FIELDS) return
  const inner = innerPairs(a, b)
  if (inner === null && !isSame(a, b)) apart.add(path)
  for (const [name, one, other] of inner ?? []) {
    const place = pathWithin(path, name)
    if (place.length <= MAX_PATH_CHARS) addApart(apart, place, one, other)
    else if (!isSame(one, other)) apart.add(path)
  }
}

const pathsApart = (a: unknown, b: unknown): string[] => {
  if (a === undefined || b === undefined) return [WHOLE]
  const apart = new Set<string>()
  addApart(apart, WHOLE, a, b)
  return [...apart]
}

/**
 * Paths of the fields in which two answers disagree, in the order of the first answer; a list of another length is
 * one field. At most `MAX_FIELDS`. Empty exactly where JSON answers agree. Written fields are named only where all
 * others agree: else no judge has read them.
 */
export const fieldsApart = ({ fields = [] }: Comparison, one: string, other: string): string[] => {
  if (writtenRules(fields).length > 0) {
    const fixed = pathsApart(fixedJson(fields, one), fixedJson(fields, other))
    if (fixed.length > 0) return fixed
  }
  return pathsApart(comparedJson(fields, one), comparedJson(fields, other))
}

export interface FieldDisagreement {
  path: string
  /** rows in which it disagrees, and those of them that a route would answer */
  rows: number
  answered: number
}

export interface FieldFigures {
  /** rows that were compared, and those of them that a route would answer */
  rows: number
  answered: number
  /** most frequent first, at most `MAX_FIELDS` */
  fields: FieldDisagreement[]
  /** further fields that disagree */
  others: number
}

export interface ComparedRow {
  adapted: string
  /** null where it is no text */
  upstream: string | null
  /** whether it counts as right; a judge may accept other words */
  agrees: boolean
  /** whether a route would give the answer */
  isAnswered: boolean
}

export const fieldFigures = (
  comparison: Comparison,
  compared: readonly ComparedRow[]
): FieldFigures => {
  const byPath = new Map<string, FieldDisagreement>()
  for (const { adapted, upstream, agrees, isAnswered } of compared) {
    if (agrees) continue
    const apart = upstream === null ? [WHOLE] : fieldsApart(comparison, adapted, upstream)
    for (const path of apart) {
      const counts = byPath.get(path) ?? { path, rows: 0, answered: 0 }
      counts.rows++
      counts.answered += Number(isAnswered)
      byPath.set(path, counts)
    }
  }
  const sorted = [...byPath.values()].sort((a, b) => b.answered - a.answered || b.rows - a.rows)
  return {
    rows: compared.length,
    answered: compared.filter(({ isAnswered }) => isAnswered).length,
    fields: sorted.slice(0, MAX_FIELDS),
    others: Math.max(0, sorted.length - MAX_FIELDS),
  }
}
