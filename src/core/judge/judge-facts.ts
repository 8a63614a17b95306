/** What a verdict has of the judge that compared the answers. Knows nothing of how it was asked. */
import type { Admission } from './admission.ts'

export interface JudgeFacts {
  /** null: it was not asked to the end */
  admission: Admission | null
  /** why nothing may be promoted by it, in one sentence, whatever it said; null: nothing is in the way */
  hindrance: string | null
}

/** Why nothing may be promoted by this judge; null: it may. */
export const judgeObjection = ({ admission, hindrance }: JudgeFacts): string | null => {
  if (hindrance !== null) return hindrance
  if (admission === null) return 'the judge was not asked to the end'
  return admission.isAdmitted ? null : `the judge is not admitted: ${admission.reason}`
}
