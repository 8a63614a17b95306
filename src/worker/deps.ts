/** Everything that the worker needs from outside, passed in once. */
import type { CacheRules } from '../core/cache/finding.ts'
import type { Price } from '../core/cost/prices.ts'
import type { RetiresOn } from '../core/cost/retirements.ts'
import type { InternalizeOptions } from '../core/internalization/internalization.ts'
import type { PlannedChecker } from '../core/gate/checker.ts'
import type { Rubric } from '../core/judge/judge-prompt.ts'
import type { JudgeVerdict } from '../core/judge/verdict.ts'
import type { RolloutSettings } from '../core/rollout/stages.ts'
import type { TrainingTerms } from '../core/terms/terms.ts'
import type { ChatMessage } from '../openai/chat.ts'
import type { Engine } from '../engine/engine.ts'
import type { Usage } from '../openai/chat.ts'
import type { Economics } from '../savings/economics.ts'
import type { ReportFault, WorkerFault } from '../fault-log.ts'
import type { StoredRecord } from '../core/log/record.ts'
import type { Store } from '../store/store.ts'

type AskedAgain = Pick<StoredRecord, 'path' | 'envelope' | 'request'>

/** Sends a request to the upstream with the operator's key. @returns null without a usable answer */
export type ReplayUpstream = (asked: AskedAgain) => Promise<string | null>

/** An answer of an upstream, whatever its status. */
export interface UpstreamAnswer {
  status: number
  body: string
  /** `retry-after`, milliseconds; null without one */
  retryAfterMs: number | null
}

/** Sends a request with the operator's key. @returns null where it must not go @throws where nothing answers */
export type AskUpstream = (asked: AskedAgain) => Promise<UpstreamAnswer | null>

/** The operator's settings for a judge. */
export interface JudgeSettings {
  /** its name, as requests give it */
  model: string
  rubric: Rubric
}

/** What the operator's checker compares. */
export interface CheckedAnswers {
  /** what of the request varies */
  query: string
  messages: readonly ChatMessage[]
  /** of the upstream */
  logged: string
  answer: string
}

/** The operator's checker of code. */
export interface Checker {
  planned: PlannedChecker
  /**
   * @returns `none` where it gives no verdict, or takes too long
   * @throws AppError `upstream-unavailable` where it cannot be asked for the moment
   */
  ask: (answers: CheckedAnswers) => Promise<Exclude<JudgeVerdict, 'flipped'>>
}

export interface WorkerEvent {
  level: 'debug' | 'info' | 'warn' | 'error'
  message: string
  /** figures and ids, never prompt text */
  data?: Record<string, unknown>
}

/** Where the operator is told of events. */
export interface WebhookTarget {
  /** its path and query may be secret */
  url: string
  /** `whsec_` and the key in base64; null: messages for Slack, which signs nothing */
  secret: string | null
  fetch: typeof fetch
}

export interface WorkerDeps {
  store: Store
  /** null: nothing is trained, but detection runs */
  engine: Engine | null
  config: InternalizeOptions
  rollout: RolloutSettings
  /** age at which bodies and records are deleted */
  retention: { bodiesMs: number; recordsMs: number }
  economics: Economics
  /** what the upstreams' terms say of training on their answers */
  terms: TrainingTerms
  /** null when the operator gave no upstream key */
  replayUpstream: ReplayUpstream | null
  /** sends a request with the operator's key, and gives any answer; null when there is no key */
  askUpstream: AskUpstream | null
  /** null: written answers cannot go live */
  judge: JudgeSettings | null
  /** null: code is compared by its text alone */
  checker: Checker | null
  /** null: no events are sent */
  webhook: WebhookTarget | null
  /** the upstream's charge for an answer, US dollars; null without a price or usage */
  costUsd: (model: string, usage: Usage | null) => number | null
  /** lives and minimums of the providers' caches, by the prices */
  cacheRules: CacheRules
  /** null: none is known */
  priceOf: (model: string) => Price | null
  /** by the prices */
  deprecatedOn: RetiresOn
  now: () => number
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>
  log: (event: WorkerEvent) => void
  /** gets every exception after which the worker continues */
  fault: ReportFault<WorkerFault>
}
