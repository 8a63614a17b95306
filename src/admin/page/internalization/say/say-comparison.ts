/** What the answers of a proof were compared with, in a sentence or two. Pure. */
import type { Verdict } from '../../../../core/gate/gate.ts'
import { percent, whole } from '../../parts/format.ts'

/** @param model the upstream's */
export const sayComparison = ({ change, upstreamAgreement }: Verdict, model: string): string => {
  if (change === null)
    return `The answers are compared with those of the log. Nothing is allowed for answers in which ${model} contradicts itself: measuring that takes UPSTREAM_API_KEY.`
  const { rows, changed } = change
  return (
    `${whole(rows)} requests were sent to ${model} twice more, and the answers are compared with the first of these. ` +
    `${model} repeats itself in ${percent(upstreamAgreement)} of what would be answered, and answers ` +
    `${whole(changed)} requests otherwise than when they were logged.`
  )
}
