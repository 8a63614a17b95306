/**
 * Finds the form of a template's logged answers. A row counts as explained only if its targets give the logged answer
 * again.
 */
import { sizesOf, type Form, type FormNode } from './form.ts'
import { composed } from './infer/composed.ts'
import { inferScalars } from './infer/infer-scalars.ts'
import { inferValue } from './infer/infer-value.ts'
import { withItemOrders } from './infer/item-order.ts'
import { numbered } from './infer/number-fields.ts'
import { Search, type Entry } from './infer/search.ts'
import { sharedFields } from './infer/shared-fields.ts'
import { findJson, styleOf } from './json/style.ts'
import { readTargets, type FormRow } from './read-targets.ts'

export interface FindOptions {
  /** share of the rows that a form must explain */
  minExplained?: number
}

export interface FoundForm {
  form: Form
  /** share of rows, 0 to 1 */
  explained: number
  /** places of some rows that it does not explain, ascending */
  unexplained: number[]
}

const MIN_EXPLAINED = 0.9
/** Share of answers that must hold JSON to be looked at as JSON. */
const MIN_JSON_SHARE = 0.9
const MAX_FIELDS = 200
const MAX_UNEXPLAINED = 100

const formOf = (style: Form['style'], root: FormNode, search: Search): Form | null => {
  const whole = composed(root, search)
  const form = { style, root: numbered(whole, sharedFields(whole, search)) }
  const sizes = sizesOf(form)
  const total = sizes.fields + sizes.choices.length
  return total > 0 && total <= MAX_FIELDS ? form : null
}

const findJsonForm = (rows: readonly FormRow[], search: Search): Form | null => {
  const found = rows.flatMap(({ answer }, row) => {
    const json = findJson(answer)
    return json ? [{ row, json }] : []
  })
  if (found.length < MIN_JSON_SHARE * rows.length) return null
  const style = styleOf(found.map(({ json }) => json))
  const entries = found
    .filter(({ json }) => json.prefix === style.prefix && json.suffix === style.suffix)
    .map(({ row, json }): Entry => ({ row, value: json.value }))
  return formOf(style, inferValue(entries, search), search)
}

const findTextForm = (rows: readonly FormRow[], search: Search): Form | null => {
  const entries = rows.map(({ answer }, row): Entry => ({
    row,
    value: { kind: 'string', text: answer },
  }))
  return formOf(null, inferScalars(entries, search), search)
}

/** How much of the rows a form explains. */
export const judgeForm = (form: Form, rows: readonly FormRow[]): FoundForm => {
  const unexplained: number[] = []
  let missing = 0
  for (const [place, row] of rows.entries()) {
    if (readTargets(form, row) !== null) continue
    missing++
    if (unexplained.length < MAX_UNEXPLAINED) unexplained.push(place)
  }
  return { form, explained: 1 - missing / rows.length, unexplained }
}

/** With the orders of items that the rows show, unless it explains less so. */
const judgeOrdered = (form: Form, rows: readonly FormRow[]): FoundForm => {
  const found = judgeForm(form, rows)
  const ordered = withItemOrders(form, rows)
  const other = ordered === form ? found : judgeForm(ordered, rows)
  return other.explained < found.explained ? found : other
}

/** Null: no form explains enough of the answers, or all answers are the same. */
export const findForm = (
  rows: readonly FormRow[],
  { minExplained = MIN_EXPLAINED }: FindOptions = {}
): FoundForm | null => {
  if (new Set(rows.map(({ answer }) => answer)).size < 2) return null
  for (const find of [findJsonForm, findTextForm]) {
    const form = find(rows, new Search(rows))
    const found = form && judgeOrdered(form, rows)
    if (found !== null && found.explained >= minExplained) return found
  }
  return null
}
