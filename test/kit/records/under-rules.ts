/** The comparison of JSON under rules for fields. */
import { NO_FOLDS, type Comparison } from '../../../src/core/answer/agreement.ts'
import type { FieldKind } from '../../../src/core/answer/field-rules.ts'

/** @param rules by the paths of their fields */
export const under = (rules: Record<string, FieldKind>): Comparison => ({
  responseType: 'json',
  folds: NO_FOLDS,
  fields: Object.entries(rules).map(([path, rule]) => ({
    path,
    rule,
    by: 'cli',
    why: 'a test',
    at: 0,
  })),
})
