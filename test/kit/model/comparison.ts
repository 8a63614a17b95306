import { foldsOf, type Comparison } from '../../../src/core/answer/agreement.ts'
import { detectResponseType } from '../../../src/core/answer/response-type.ts'

/** How the answers of a task are compared. @param answers all that the task has */
export const comparisonOf = (answers: string[]): Comparison => {
  const responseType = detectResponseType(answers)
  return { responseType, folds: foldsOf(responseType, answers) }
}
