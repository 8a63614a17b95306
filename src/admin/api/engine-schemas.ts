/** What the engine says of itself, and what its provider was told to delete. */
import { z } from '@hono/zod-openapi'
import { ENGINE_CONDITION_KINDS } from '../../openai/engine-state.ts'

export const receiptSchema = z
  .object({
    provider: z.string(),
    object: z.string().describe('as the provider names it'),
    requested_at: z.number().describe('seconds since the epoch'),
    confirmed_at: z
      .number()
      .nullable()
      .describe('when the provider no longer had it; null while it still does, or cannot be asked'),
  })
  .openapi('DeletionReceipt')

export const engineStateSchema = z
  .object({
    object: z.literal('engine'),
    provider: z.string().nullable().describe('a third party that gets rows and requests'),
    prices: z
      .object({ input: z.number(), output: z.number(), training: z.number() })
      .nullable()
      .describe('dollars a million tokens'),
    conditions: z.array(
      z.object({
        kind: z.enum(ENGINE_CONDITION_KINDS),
        message: z.string().describe('what happened and what to do'),
        since: z.number().describe('seconds since the epoch'),
      })
    ),
  })
  .openapi('EngineState')
