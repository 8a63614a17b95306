/** How the answers of a template are compared. */
import { foldsOf, type Comparison } from '../../core/answer/agreement.ts'
import type { ResponseType } from '../../core/answer/response-type.ts'
import type { Template } from '../../core/template/template.ts'
import type { Store } from '../../store/store.ts'

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
  return {
    responseType,
    folds: foldsOf(responseType, answers),
    ...(fields.length > 0 && { fields }),
  }
}
