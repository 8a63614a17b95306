/** The answer of a field head, and how likely it is right. Pure. */
import { decodeTargets } from '../../../src/core/form/decode-targets.ts'
import type { Form } from '../../../src/core/form/form.ts'
import { renderAnswer } from '../../../src/core/form/render-answer.ts'
import type { Source } from '../../../src/core/form/words.ts'
import { fieldConfidence, type FieldAcceptor } from '../../../src/core/learn/field-acceptor.ts'
import { neighbourhoodOfKind, type KnownKinds } from '../../../src/core/learn/head/known-kinds.ts'
import { isUnlike, type KnownWords } from '../../../src/core/learn/head/known-words.ts'
import type { RowScores } from '../encoder/fields/field-model.ts'

/** Content of the manifest's member `form`. */
export interface FieldHeadForm {
  form: Form
  /** names of the slots with which requests begin */
  slots: string[]
  acceptor: FieldAcceptor | null
  /** null: requests of another kind are not told */
  known: KnownWords | null
  /** cosine to the nearest learned request that one of a known kind has at least; null: not known */
  leastCosine: number | null
}

/** What an answer is made with. */
export interface FormFiller extends Omit<FieldHeadForm, 'slots'> {
  /** null: the neighbours of a request do not count */
  kinds: KnownKinds | null
}

export interface FieldAnswer {
  text: string
  /** natural logarithm of the probability that the text is right */
  logprob: number
}

/** Of an answer that the form does not allow or whose request is of another kind, which no route gives. */
const IMPOSSIBLE = -100

/** @param choices texts that the request allows; undefined: all */
export const fieldAnswer = (
  { form, acceptor, known, leastCosine, kinds }: FormFiller,
  sources: readonly Source[],
  scores: RowScores,
  choices?: readonly string[]
): FieldAnswer => {
  const decoded = decodeTargets(form, sources, scores)
  const text = renderAnswer(form, sources, decoded.targets)
  if (text === null || (choices && !choices.includes(text)))
    return { text: '', logprob: IMPOSSIBLE }
  const { targets } = decoded
  const { tags } = targets
  // a word that was not read may be a value
  if (scores.cut || (known && isUnlike(known, { sources, tags })))
    return { text, logprob: IMPOSSIBLE }
  const near = kinds && neighbourhoodOfKind(kinds, { ...scores, targets })
  if (near && leastCosine !== null && near.nearest < leastCosine)
    return { text, logprob: IMPOSSIBLE }
  return { text, logprob: fieldConfidence(acceptor, { decoded, words: tags.length, near }) }
}
