/** Reasons that the proxy gives for what it did: labels of metrics, headers and records. */
import type { AnswerFault } from '../core/answer/answer-rules.ts'
import type { Ineligibility } from '../core/route/route.ts'

/** Why the lora was not asked. */
export type SkipReason =
  | Ineligibility
  | 'kind-not-proven'
  | 'no-credential'
  | 'credential-not-accepted'
  | 'ambiguous-members'
  | 'traffic-share'
  | 'response-format'
  | 'engine-missing'
  | 'engine-paused'

/** Why the lora's answer was not given. */
export type FaultReason =
  | AnswerFault
  | 'low-confidence'
  | 'engine-timeout'
  | 'engine-refused'
  | 'client-closed'
  | 'route-gone'
  | 'internal'

/** Why another upstream was asked. */
export type FailoverReason = 'not-connected' | 'unavailable' | 'paused'

export const CANCEL_PHASES = ['before-answer', 'during-answer'] as const

/** When the client of a chat completion left. */
export type CancelPhase = (typeof CANCEL_PHASES)[number]

/** How an exchange with the upstream ended. */
export type ExchangeEnd = 'complete' | 'client-gone' | 'upstream-failed'
