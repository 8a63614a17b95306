/**
 * What people should know of an engine beyond its models: who computes, at what price, and what keeps it
 * from working. `GET /v1/engine` of the engine contract.
 */
import { z } from 'zod'

/** `key-refused`: the provider takes no calls by this key. `throttled`: it takes fewer than are sent. */
export const ENGINE_CONDITION_KINDS = [
  'key-refused',
  'unpaid',
  'throttled',
  'base-retired',
  'away',
  'not-deleted',
] as const
export type EngineConditionKind = (typeof ENGINE_CONDITION_KINDS)[number]

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

/** Of an engine that computes on machines of the operator, or does not say. */
export const UNKNOWN_ENGINE_STATE: EngineState = {
  object: 'engine',
  provider: null,
  prices: null,
  conditions: [],
}

/** Receipts of one answer, the newest. */
export const MAX_RECEIPTS = 1_000
const MAX_NAME_CHARS = 100
const MAX_MESSAGE_CHARS = 500

const clipped = (most: number) => z.string().transform((text) => text.slice(0, most))
const usd = z.number().min(0)
/** seconds since the epoch that a date can have */
const time = z.number().min(0).max(8.64e12)

const stateSchema: z.ZodType<EngineState> = z.object({
  object: z.literal('engine'),
  provider: clipped(MAX_NAME_CHARS).nullable(),
  prices: z.object({ input: usd, output: usd, training: usd }).nullable(),
  conditions: z
    .array(
      z.object({
        kind: z.enum(ENGINE_CONDITION_KINDS),
        message: clipped(MAX_MESSAGE_CHARS),
        since: time,
      })
    )
    // one of each kind
    .max(ENGINE_CONDITION_KINDS.length),
})

const receiptsSchema: z.ZodType<{ data: DeletionReceipt[] }> = z.object({
  data: z
    .array(
      z.object({
        provider: clipped(MAX_NAME_CHARS),
        object: clipped(MAX_MESSAGE_CHARS),
        requested_at: time,
        confirmed_at: time.nullable(),
      })
    )
    .max(MAX_RECEIPTS),
})

/** @returns null for what no engine of the contract says: the store keeps it, and the page shows it */
export const readEngineState = (body: unknown): EngineState | null =>
  stateSchema.safeParse(body).data ?? null

/** The same of `GET /v1/engine/receipts`. */
export const readDeletionReceipts = (body: unknown): DeletionReceipt[] | null =>
  receiptsSchema.safeParse(body).data?.data ?? null
