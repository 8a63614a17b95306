/** What a proof was made from, in sentences: its time, and the upstream's answers of today. Pure. */
import type { Verdict } from '../../../../core/gate/gate.ts'
import { minute, percent, whole } from '../../parts/format.ts'

const sayChange = ({ change, upstreamAgreement }: Verdict, model: string): string => {
  if (change === null)
    return `Its answers are compared with those of the log. Nothing is allowed for answers on which ${model} contradicts itself: that takes UPSTREAM_API_KEY.`
  const { rows, changed } = change
  return (
    `${whole(rows)} requests were sent to ${model} twice more. It repeats itself on ${percent(upstreamAgreement)} of ` +
    `those that would be answered, and answers ${whole(changed)} otherwise than when they were logged.`
  )
}

export const saySamples = (verdict: Verdict, model: string): string[] => {
  const { span } = verdict
  return [
    ...(span === null
      ? []
      : [
          `The held-out traffic came from ${minute(span.from)} to ${minute(span.until)} UTC, in ${whole(span.hours)} different hours.`,
        ]),
    sayChange(verdict, model),
  ]
}
