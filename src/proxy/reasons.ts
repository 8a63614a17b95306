/** Outcomes of requests and the reasons for them: labels of metrics, headers and records. */
import type { AnswerFault } from '../core/answer/answer-rules.ts'
import type { AUDIT } from '../core/rollout/pair.ts'
import type { Ineligibility } from '../core/route/request-members.ts'
import type { Route } from '../core/route/route.ts'

/**
 * What became of a request. With a live template: `answered` by the lora, `fallback` to the upstream
 * after the lora was asked, `skipped` without asking it. Otherwise: `unmatched` without a live template,
 * `passed` because it is not a completion, `kept` because it asks for a kept response, `unread` because too many bodies were in memory,
 * `refused` with an error of the proxy, `shed` because the proxy was overloaded.
 */
export const REQUEST_OUTCOMES = [
  'answered',
  'fallback',
  'skipped',
  'unmatched',
  'passed',
  'kept',
  'unread',
  'refused',
  'shed',
] as const

export type RequestOutcome = (typeof REQUEST_OUTCOMES)[number]

/** Why the lora was not asked. */
export type SkipReason =
  | Ineligibility
  | 'routes-too-old'
  | 'kind-not-proven'
  | 'no-credential'
  | 'unknown-origin'
  | 'credential-not-accepted'
  | 'ambiguous-members'
  | 'traffic-share'
  | typeof AUDIT
  | 'response-format'
  | 'credential-elsewhere'
  | 'model-not-allowed'
  | 'engine-missing'
  | 'engine-paused'

/** Why the lora's answer was not given. */
export type FaultReason =
  | AnswerFault
  | 'low-confidence'
  | 'engine-timeout'
  | 'engine-refused'
  | 'over-budget'
  | 'client-closed'
  | 'route-gone'
  | 'internal'

/** Why the upstream answers a completion that a live template matches. */
export interface Declined {
  /** of that template */
  readonly route: Route
  readonly reason: FaultReason | SkipReason
  /** of the lora's answer; null where that is not known */
  readonly confidence: number | null
  /** whether the lora was asked */
  readonly wasAsked: boolean
  /** drawn for its conversation; null: none was drawn, or no other request has it */
  readonly position: number | null
}

/** Why another upstream was asked. */
export type FailoverReason = 'not-connected' | 'unavailable' | 'paused'

export const CANCEL_PHASES = ['before-answer', 'during-answer'] as const

/** When the client of a chat completion left. */
export type CancelPhase = (typeof CANCEL_PHASES)[number]

/** How an exchange with the upstream ended, or one with a lora. */
export type ExchangeEnd = 'complete' | 'client-gone' | 'upstream-failed'
