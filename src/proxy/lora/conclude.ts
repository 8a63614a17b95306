/** The work after a lora's answer: counts, what is remembered of it, the limits of the caller's key, its record. */
import type { RouteOutcome } from '../../core/log/record.ts'
import type { Usage } from '../../openai/chat.ts'
import type { GivenAnswers } from '../after-ours/given-answers.ts'
import type { StepDeps } from '../deps.ts'
import type { ExchangeEnd, FaultReason } from '../reasons.ts'
import {
  afterAnswer,
  declinedOutcome,
  drawn,
  recordOfLora,
  report,
  type RecordDeps,
} from '../record/record.ts'
import { settleLora } from '../record/settle.ts'
import type { GivenAnswer, LoraAnswer } from './draft.ts'
import type { Matched } from './match.ts'
import type { Rendered } from './render-answer.ts'
import type { Routed } from './router.ts'

type FinishDeps = RecordDeps & Pick<StepDeps, 'metrics' | 'fault' | 'now'>
export type ConcludeDeps = FinishDeps & { given: GivenAnswers }

interface Ending {
  /** null when the client left before there was an answer */
  rendered: Rendered | null
  usage: Usage | null
  route: RouteOutcome
  firstByteAt: number | null
  end: ExchangeEnd
}

/** Settles the limits of the caller's key and makes the record. */
const finish = (
  deps: FinishDeps,
  { admitted: { charge, read } }: Matched,
  { rendered, usage, route, firstByteAt, end }: Ending
): void => {
  const { exchange } = read
  afterAnswer(deps, exchange, () => {
    if (charge !== null) settleLora(charge, usage, rendered !== null)
    report(deps, exchange, () => {
      const times = { firstByteAt, endedAt: deps.now() }
      const response = rendered && rendered.body
      return recordOfLora(exchange, { response, usage, end }, route, times)
    })
  })
}

/** An answer that the client has, or a part of one. */
interface Sent {
  rendered: Rendered
  /** milliseconds since the epoch */
  firstByteAt: number
  isEarly: boolean
}

const answeredOutcome = (
  { matched, position }: Routed,
  { isEarly }: Sent,
  found: Pick<RouteOutcome, 'reason' | 'confidence' | 'promptTokensSaved'>
): RouteOutcome => ({
  templateVersion: matched.route.template.version,
  lora: matched.route.lora,
  outcome: 'answered',
  ...found,
  ...(isEarly && { streamedEarly: true }),
  ...drawn(position),
})

/** Of an answer that the client has. */
export const concludeGiven = (
  deps: ConcludeDeps,
  routed: Routed,
  sent: Sent,
  { content, confidence, usage, foundLate: reason }: GivenAnswer
): void => {
  const { matched } = routed
  const { model, tenant } = matched.admitted.read.exchange
  const { lora, templateTokens: promptTokensSaved, template } = matched.route
  deps.metrics.request('answered')
  if (sent.isEarly) deps.metrics.streamedEarly(reason)
  const by = { templateVersion: template.version, lora, model }
  deps.given.add(tenant, matched.request.messages, content, by)
  deps.metrics.saved(promptTokensSaved)
  const found = { reason, confidence, promptTokensSaved }
  const route = answeredOutcome(routed, sent, found)
  finish(deps, matched, { ...sent, usage, route, end: 'complete' })
}

/** Of an answer that broke off, or whose client left in the middle of it: it has saved nothing. */
export const concludePart = (
  deps: FinishDeps,
  routed: Routed,
  sent: Sent,
  { reason, confidence, usage }: Extract<LoraAnswer, { given: false }>
): void => {
  const hasLeft = reason === 'client-closed'
  deps.metrics.request('answered')
  deps.metrics.streamedEarly(reason)
  if (hasLeft) deps.metrics.cancelled('during-answer')
  const found = { reason, confidence, promptTokensSaved: 0 }
  const route = answeredOutcome(routed, sent, found)
  const end = hasLeft ? 'client-gone' : 'upstream-failed'
  finish(deps, routed.matched, { ...sent, usage, route, end })
}

/** Of a client that has left before its answer. */
export const concludeLeft = (deps: FinishDeps, routed: Routed, { usage }: LoraAnswer): void => {
  const { matched, position } = routed
  deps.metrics.cancelled('before-answer')
  const reason: FaultReason = 'client-closed'
  const declined = { route: matched.route, reason, confidence: null, wasAsked: true, position }
  const route = declinedOutcome(declined)
  finish(deps, matched, { rendered: null, usage, route, firstByteAt: null, end: 'client-gone' })
}
