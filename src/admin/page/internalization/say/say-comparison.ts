/** What the answers of a proof were compared with, in a sentence or two. Pure. */
import type { Verdict } from '../../../../core/gate/gate.ts'
import { percent, whole } from '../../parts/format.ts'

/** @param model the upstream's */
export const sayComparison = ({ change, upstreamAgreement }: Verdict, model: string): string => {
  if (change === null)
    return `The answers are compared with those of the log. No allowance is made for cases in which ${model} contradicts itself: measuring them needs UPSTREAM_API_KEY.`
  const { rows, changed } = change
  return (
    `${whole(rows)} requests were sent to ${model} twice more. The small model is compared with the first of the new answers. ` +
    `${model} gave the same answer twice in ${percent(upstreamAgreement)} of the cases that would be answered. ` +
    `For ${whole(changed)} requests, both new answers agree and differ from the logged one.`
  )
}
