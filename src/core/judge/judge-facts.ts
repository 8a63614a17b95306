/** What a verdict has of the judge that vouched for it. Knows nothing of how it was asked. */
import { admit, type Admission, type AdmissionInput } from './admission.ts'

export interface JudgeFacts {
  /** what it said of planted faults and of the upstream's own answers; null: it was not asked to the end */
  said: AdmissionInput | null
  /** why nothing may be promoted by it, in one sentence, whatever it said; null: nothing is in the way */
  hindrance: string | null
}

/** @returns null where the judge was not asked to the end */
export const admissionOf = ({ said }: JudgeFacts): Admission | null => said && admit(said)

/** Why nothing may be promoted by this judge; null: it may. */
export const judgeObjection = (facts: JudgeFacts): string | null => {
  if (facts.hindrance !== null) return facts.hindrance
  const admission = admissionOf(facts)
  if (admission === null) return 'the judge was not asked to the end'
  return admission.isAdmitted ? null : `the judge is not admitted: ${admission.reason}`
}
