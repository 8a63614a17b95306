/** How the answers of a template are compared. */
import { foldsOf, type Comparison } from '../../core/answer/agreement.ts'
import { isMostlySql, type ResponseType } from '../../core/answer/response-type.ts'
import { loadSqlParser } from '../../core/answer/sql/sql-form.ts'
import type { Template } from '../../core/template/template.ts'
import type { Store } from '../../store/store.ts'

/** Before answers are compared by the rules of a plan. */
export const openComparison = async ({
  structure,
}: Pick<Comparison, 'structure'>): Promise<void> => {
  if (structure === 'sql') await loadSqlParser()
}

/**
 * The folds are read from the answers; the rules for fields are those that are in force now.
 * @param answers of the log, in text
 */
export const comparisonOf = async (
  { templates }: Pick<Store, 'templates'>,
  { version }: Template,
  responseType: ResponseType,
  answers: readonly string[]
): Promise<Comparison> => {
  const fields = await templates.fields(version)
  const comparison: Comparison = {
    responseType,
    folds: foldsOf(responseType, answers),
    ...(fields.length > 0 && { fields }),
    ...(responseType === 'code' && isMostlySql(answers) && { structure: 'sql' }),
  }
  await openComparison(comparison)
  return comparison
}
