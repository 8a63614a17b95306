/**
 * What becomes of a template's answers when its requests go to another model: how often the answers agree, and how
 * they differ. Pure; knows nothing of stores or of how requests are sent.
 */
import { agree, comparedJson, outcomesAgree, type Comparison } from '../answer/agreement.ts'
import { fieldsApart } from '../answer/field-figures.ts'
import { writtenRules } from '../answer/field-rules.ts'
import { textOf, type Outcome } from '../answer/outcome.ts'
import { proportionLowerBound } from '../gate/statistics.ts'
import { groupBy } from '../group-by.ts'
import { itemAt } from '../lists.ts'

/** What one model makes of a request. */
export interface ModelAnswer {
  outcome: Outcome
  /** milliseconds to the whole answer */
  ms: number
  /** US dollars; null without a price or usage */
  usd: number | null
}

/** A logged request, and what the new model makes of it. */
export interface MovedRequest {
  old: ModelAnswer
  /** a refusal by status: the request itself is not possible with the new model */
  new: ModelAnswer | { refused: string; ms: number }
}

export type DifferenceKind =
  /** one of the labels for another, or for none */
  | 'label'
  /** a member of JSON */
  | 'field'
  /** JSON where there was none, or none where there was */
  | 'format'
  /** a text for another text */
  | 'text'
  /** calls, a refusal or no text at all, where the other model gave something else */
  | 'outcome'
  /** the provider refuses the request */
  | 'refused'

export interface Difference {
  kind: DifferenceKind
  /** of the old model: a label, the path of a member, or what kind of answer */
  old: string
  new: string
  requests: number
}

/** Median of one model; null where nothing is known. */
export interface ModelFigures {
  ms: number | null
  usdPerMillion: number | null
  /** characters of an answer */
  chars: number | null
}

export interface MoveReport {
  /** that both models answered, or the new one refused */
  requests: number
  /** share of them, 0 to 1 */
  agreement: number
  /** 95 % interval, exact (Clopper and Pearson 1934) */
  agreementLower: number
  agreementUpper: number
  old: ModelFigures
  new: ModelFigures
  /** most frequent first */
  differences: Difference[]
  /** the answers are written text, of which equality says little */
  isFreeText: boolean
}

const INTERVAL_ALPHA = 0.05
const MAX_DIFFERENCES = 50
const MAX_SHOWN_CHARS = 80

/** @param successes of `trials`, at least one @returns two-sided 95 % interval of the share */
export const shareInterval = (
  successes: number,
  trials: number
): [lower: number, upper: number] => [
  proportionLowerBound(successes, trials, INTERVAL_ALPHA / 2),
  1 - proportionLowerBound(trials - successes, trials, INTERVAL_ALPHA / 2),
]

const median = (values: readonly number[]): number | null =>
  values.length === 0
    ? null
    : itemAt(
        values.toSorted((a, b) => a - b),
        Math.floor(values.length / 2)
      )

const figuresOf = (answers: readonly ModelAnswer[]): ModelFigures => {
  const usd = answers.flatMap((answer) => answer.usd ?? [])
  return {
    ms: median(answers.map(({ ms }) => ms)),
    usdPerMillion:
      usd.length === 0 ? null : (1e6 * usd.reduce((sum, one) => sum + one, 0)) / usd.length,
    chars: median(answers.flatMap(({ outcome }) => textOf(outcome)?.length ?? [])),
  }
}

const shown = (text: string): string =>
  text.length <= MAX_SHOWN_CHARS ? text : `${text.slice(0, MAX_SHOWN_CHARS - 1)}…`

const formatOf = (text: string): 'JSON' | 'no JSON' =>
  comparedJson([], text) === undefined ? 'no JSON' : 'JSON'

type Found = Omit<Difference, 'requests'>

/** @param labels that the log has; null: the answers are no closed set */
const differencesOf = (
  { old, new: fresh }: MovedRequest,
  comparison: Comparison,
  labels: ReadonlySet<string> | null
): Found[] => {
  const given = old.outcome
  const before = textOf(given)
  if ('refused' in fresh) return [{ kind: 'refused', old: given.kind, new: shown(fresh.refused) }]
  const after = textOf(fresh.outcome)
  if (before === null || after === null)
    return [{ kind: 'outcome', old: given.kind, new: fresh.outcome.kind }]
  if (labels !== null) {
    const known = [...labels].find((label) => agree(comparison, label, after))
    return [{ kind: 'label', old: shown(before), new: known ?? 'none of the labels' }]
  }
  const [one, other] = [formatOf(before), formatOf(after)]
  if (one !== other) return [{ kind: 'format', old: one, new: other }]
  if (one === 'no JSON') return [{ kind: 'text', old: 'text', new: 'another text' }]
  return fieldsApart(comparison, before, after).map((path) => ({
    kind: 'field' as const,
    old: path,
    new: 'another value',
  }))
}

const isEqual = ({ old, new: fresh }: MovedRequest, comparison: Comparison): boolean =>
  !('refused' in fresh) && outcomesAgree(comparison, old.outcome, fresh.outcome)

/**
 * @param rows at least one @param labels see `knownLabels`; null: the answers are no closed set
 */
export const moveReport = (
  rows: readonly MovedRequest[],
  comparison: Comparison,
  labels: readonly string[] | null
): MoveReport => {
  const agreeing = rows.filter((row) => isEqual(row, comparison)).length
  const [agreementLower, agreementUpper] = shareInterval(agreeing, rows.length)
  const known = labels && new Set(labels)
  const found = rows
    .filter((row) => !isEqual(row, comparison))
    .flatMap((row) => differencesOf(row, comparison, known))
  const differences = [...groupBy(found, (one) => JSON.stringify(one)).values()]
    .map((same): Difference => ({ ...same[0], requests: same.length }))
    .toSorted((one, other) => other.requests - one.requests)
    .slice(0, MAX_DIFFERENCES)
  const fresh = rows.flatMap(({ new: answer }) => ('refused' in answer ? [] : [answer]))
  return {
    requests: rows.length,
    agreement: agreeing / rows.length,
    agreementLower,
    agreementUpper,
    old: figuresOf(rows.map(({ old }) => old)),
    new: figuresOf(fresh),
    differences,
    isFreeText:
      comparison.responseType === 'free-text' || writtenRules(comparison.fields).length > 0,
  }
}
