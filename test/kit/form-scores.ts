/** Scores of a tagger that is sure. */
import { sizesOf, type Form } from '../../src/core/form/form.ts'
import type { FieldScores, Targets } from '../../src/core/form/targets.ts'

/** Scores that are sure of the targets. */
export const sureScores = (form: Form, targets: Targets, sureness = 0.9): FieldScores => {
  const { fields, choices } = sizesOf(form)
  const sure = (right: number, classes: number): number[] =>
    Array.from({ length: classes }, (_, at) =>
      Math.log(at === right ? sureness : (1 - sureness) / Math.max(1, classes - 1))
    )
  return {
    tags: Float32Array.from([...targets.tags].flatMap((tag) => sure(tag, 1 + 2 * fields))),
    choices: choices.map((classes, at) => Float32Array.from(sure(targets.choices[at]!, classes))),
  }
}
