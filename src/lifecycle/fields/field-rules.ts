/**
 * What a person says of fields of a template's answers, for admin API, page and CLI. It is read when an
 * internalization is planned, and fixed in its plan: a verdict and its live route go on under the rules that they have.
 */
import {
  checkedPath,
  checkedRule,
  MAX_FIELD_RULES,
  type FieldKind,
  type FieldRule,
} from '../../core/answer/field-rules.ts'
import { MAX_NOTE_CHARS } from '../../core/internalization/internalization.ts'
import { AppError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'

type TemplatesOf = Pick<Store, 'templates'>

/** When rules begin to count, for who sets them. */
export const RULES_COUNT_FROM =
  'it takes effect with the next internalization; what is judged or live keeps the rules in its plan'

const checkedWhy = (text: string): string => {
  const why = text.trim()
  if (why === '' || why.length > MAX_NOTE_CHARS)
    throw new AppError(
      'invalid-request',
      `say why the rule keeps the promise useful, in 1 to ${MAX_NOTE_CHARS} characters`,
      { param: 'why' }
    )
  return why
}

/**
 * Replaces the rule of the same path.
 * @throws AppError `invalid-request` for a path that is none, a rule that says nothing, a missing reason, and
 * too many rules; `not-found` without such a template
 */
export const setFieldRule = async (
  { templates }: TemplatesOf,
  version: string,
  { path, rule, why }: { path: string; rule: FieldKind; why: string },
  { by, now }: { by: string; now: number }
): Promise<FieldRule> => {
  const stored = { ...checkedRule(path, rule), by, why: checkedWhy(why), at: now }
  const present = await templates.fields(version)
  if (present.length >= MAX_FIELD_RULES && !present.some((each) => each.path === stored.path))
    throw new AppError('invalid-request', `a template has at most ${MAX_FIELD_RULES} rules`)
  await templates.setField(version, stored)
  return stored
}

/** @throws AppError `invalid-request` for a path that is none, `not-found` where it has no rule */
export const removeFieldRule = (
  { templates }: TemplatesOf,
  version: string,
  path: string
): Promise<void> => templates.removeField(version, checkedPath(path))
