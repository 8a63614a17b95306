/**
 * What people should know of an engine beyond its models: who computes, at what price, and what keeps it
 * from working. `GET /v1/engine` of the engine contract.
 */

/** `key-refused`: the provider takes no calls by this key. `throttled`: it takes fewer than are sent. */
export type EngineConditionKind =
  'key-refused' | 'unpaid' | 'throttled' | 'base-retired' | 'away' | 'not-deleted'

export interface EngineCondition {
  kind: EngineConditionKind
  /** what happened and what to do, one or two sentences */
  message: string
  /** seconds since the epoch */
  since: number
}

/** USD a million tokens. */
export interface EnginePrices {
  input: number
  output: number
  /** of each token that a training step computes */
  training: number
}

export interface EngineState {
  object: 'engine'
  /** a third party that gets rows and requests; null where all stays on machines of the operator */
  provider: string | null
  /** null where an hour of a machine is paid, or nothing is known */
  prices: EnginePrices | null
  /** empty while nothing is wrong */
  conditions: EngineCondition[]
}

/** That a provider was told to delete something; kept for good. */
export interface DeletionReceipt {
  provider: string
  /** as the provider names it */
  object: string
  /** seconds since the epoch */
  requested_at: number
  /** when the provider no longer had it; null while it still does, or cannot be asked */
  confirmed_at: number | null
}
