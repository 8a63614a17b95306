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

/** An answer that the client has. */
interface Sent {
  rendered: Rendered
  /** milliseconds since the epoch */
  firstByteAt: number
}

/** Of an answer that the client has. */
export const concludeGiven = (
  deps: ConcludeDeps,
  routed: Routed,
  sent: Sent,
  { content, confidence, usage }: GivenAnswer
): void => {
  const { matched, position } = routed
  const { model, tenant } = matched.admitted.read.exchange
  const { lora, templateTokens: promptTokensSaved, template } = matched.route
  deps.metrics.request('answered')
  const by = { templateVersion: template.version, lora, model }
  deps.given.add(tenant, matched.request.messages, content, by)
  deps.metrics.saved(promptTokensSaved)
  const route: RouteOutcome = {
    templateVersion: template.version,
    lora,
    outcome: 'answered',
    reason: null,
    confidence,
    promptTokensSaved,
    ...drawn(position),
  }
  finish(deps, matched, { ...sent, usage, route, end: 'complete' })
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
