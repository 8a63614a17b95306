/**
 * Chooses at most one span for each field, none overlapping, with the greatest sum of gains. Without "at most one" this
 * is weighted interval scheduling, solved in one pass; where a field then has several spans, or a required one has none,
 * two or more cases are solved in which it has not (branch and bound, the most promising case first).
 */
import { firstPlace } from '../../bisect.ts'
import { itemAt } from '../../lists.ts'
import type { AskedField, FieldTags, ScoredSpan } from './field-tags.ts'
import type { Span } from '../spans/row-words.ts'

export interface ChosenSpan {
  field: number
  span: Span
}

/** Cases that are solved; nearly all rows have one. */
const MAX_CASES = 200

interface Candidate {
  field: number
  span: ScoredSpan
}

/** Some fields have their spans, and the others may choose among candidates. */
interface Case {
  fixed: Candidate[]
  /** ascending by the end of their spans; none overlaps a fixed one or is of its field */
  candidates: Candidate[]
  /** the best candidates without overlap; a field may have several of them */
  chosen: Candidate[]
  gain: number
}

/** A choice of candidates that do not overlap: its last one, and the choice before that. */
interface Schedule {
  gain: number
  last: { chosen: Candidate; before: Schedule } | null
}

/** Weighted interval scheduling. @param candidates ascending by the end of their spans */
const schedule = (candidates: readonly Candidate[]): { chosen: Candidate[]; gain: number } => {
  let best: Schedule = { gain: 0, last: null }
  /** of the first candidates, by their number */
  const schedules = [best]
  for (const chosen of candidates) {
    const { from, gain } = chosen.span
    const before = itemAt(
      schedules,
      firstPlace(candidates, ({ span }) => span.to <= from)
    )
    if (before.gain + gain > best.gain)
      best = { gain: before.gain + gain, last: { chosen, before } }
    schedules.push(best)
  }
  const chosen: Candidate[] = []
  for (let { last } = best; last !== null; { last } = last.before) chosen.push(last.chosen)
  return { chosen, gain: best.gain }
}

const solved = (fixed: Candidate[], candidates: Candidate[]): Case => {
  const { chosen, gain } = schedule(candidates)
  const own = fixed.reduce((sum, { span }) => sum + span.gain, 0)
  return { fixed, candidates, chosen, gain: gain + own }
}

const doOverlap = (one: Span, other: Span): boolean => one.from < other.to && other.from < one.to

const withFixed = ({ fixed, candidates }: Case, one: Candidate): Case =>
  solved(
    [...fixed, one],
    candidates.filter(({ field, span }) => field !== one.field && !doOverlap(span, one.span))
  )

/** Two chosen spans of one field, the first in the text first; null: each field has one at most. */
const conflictIn = ({ chosen }: Case): [Candidate, Candidate] | null => {
  const seen = new Map<number, Candidate>()
  // chosen from the end of the text to its beginning
  for (const one of chosen) {
    const later = seen.get(one.field)
    if (later !== undefined) return [one, later]
    seen.set(one.field, one)
  }
  return null
}

/** The field has its span before the later of the two, or from there on. */
const divided = ({ fixed, candidates }: Case, [{ field }, later]: [Candidate, Candidate]): Case[] =>
  [true, false].map((isBefore) =>
    solved(
      fixed,
      candidates.filter(
        (one) => one.field !== field || one.span.from < later.span.from === isBefore
      )
    )
  )

/** The spans of a required field that has none yet; null: each has one. */
const missingIn = (
  { fixed, chosen }: Case,
  required: ReadonlyMap<number, Candidate[]>
): Candidate[] | null => {
  const present = new Set([...fixed, ...chosen].map(({ field }) => field))
  for (const [field, candidates] of required) if (!present.has(field)) return candidates
  return null
}

/** The cases into which one divides; a missing field gets each of its spans in turn. Null: the case is an answer. */
const casesOf = (one: Case, required: ReadonlyMap<number, Candidate[]>): Case[] | null => {
  const conflict = conflictIn(one)
  if (conflict !== null) return divided(one, conflict)
  const missing = missingIn(one, required)
  if (missing === null) return null
  return missing
    .filter(({ span }) => !one.fixed.some((other) => doOverlap(span, other.span)))
    .map((candidate) => withFixed(one, candidate))
}

/** The likeliest spans first, each where its field and its words are free. */
const greedy = (candidates: readonly Candidate[]): Candidate[] => {
  const chosen: Candidate[] = []
  for (const one of candidates.toSorted((a, b) => b.span.gain - a.span.gain))
    if (!chosen.some(({ field, span }) => field === one.field || doOverlap(span, one.span)))
      chosen.push(one)
  return chosen
}

const answerOf = (candidates: readonly Candidate[]): ChosenSpan[] =>
  candidates.map(({ field, span: { from, to } }) => ({ field, span: { from, to } }))

/**
 * A required field gets none only where others took all of its likely spans; `renderAnswer` then gives null.
 * @param asked fields of one span
 */
export const chooseSpans = (tags: FieldTags, asked: readonly AskedField[]): ChosenSpan[] => {
  const required = new Map<number, Candidate[]>()
  const all: Candidate[] = []
  for (const one of asked) {
    const own = tags.spansOf(one).map((span) => ({ field: one.field, span }))
    // no answer is possible, and to look for the spans of 200 such fields would take a second
    if (one.isRequired && own.length === 0) return []
    if (one.isRequired) required.set(one.field, own)
    all.push(...own)
  }
  const useful = all.filter(({ span }) => span.gain > 0).sort((a, b) => a.span.to - b.span.to)
  const open = [solved([], useful)]
  for (let cases = 0; cases < MAX_CASES && open.length > 0; cases++) {
    const best = open.reduce((most, one) => (one.gain > most.gain ? one : most))
    const further = casesOf(best, required)
    if (further === null) return answerOf([...best.fixed, ...best.chosen])
    open.splice(open.indexOf(best), 1, ...further)
  }
  return answerOf(greedy(all))
}
