/** The shapes of savings and of what internalizing a template would earn. */
import { z } from '@hono/zod-openapi'
import type { Price } from '../core/cost/prices.ts'
import { statsSchema } from './stats-schema.ts'

const price = z
  .custom<Price>()
  .openapi({ type: 'object', additionalProperties: true })
  .describe('of the price file, US dollars per million tokens, with the date at which it held')
  .nullable()

const dollarsSchema = z
  .object({
    grossUsd: z.number().describe('saved by the change of model and by the removal of the prompt'),
    byModelUsd: z.number().describe('what the smaller model would save with the whole prompt'),
    byPromptUsd: z.number().describe('what it saves in addition as it does not read the prompt'),
    discardedUsd: z.number().describe('adapted answers that were thrown away'),
    engineUsd: z.number().describe('by ENGINE_USD_PER_HOUR, the hours in which a lora was live'),
    trainingUsd: z.number().describe('with the answers that the evaluation bought'),
    netUsd: z.number().describe('gross less discarded answers, engine and training'),
  })
  .openapi('Savings', { description: 'US dollars against what the callers pay the upstream today' })

const callSchema = z.object({
  promptTokens: z.number(),
  templateTokens: z.number().describe('of the prompt, what goes with the template'),
  queryTokens: z.number().describe('of the prompt, what stays'),
  outputTokens: z.number(),
  countedBy: z.enum(['upstream', 'estimate']),
  cacheHitShare: z.number().describe('of the prompt tokens, what the provider`s cache served'),
  cacheWriteShare: z.number().nullable().describe('null where the provider does not say'),
  cacheIsMeasured: z.boolean().describe('false: it does not say, and a warm cache is assumed'),
})

export const economicsSchema = z
  .object({
    verdict: z.enum(['pays', 'does-not-pay', 'unknown']),
    reason: z.string(),
    remarks: z.array(z.string()),
    monthly: dollarsSchema
      .nullable()
      .describe('a month, training spread over six; null where the calls a month are not known'),
    paybackDays: z.number().nullable().describe('null: never, or not known'),
    breakEvenCoverage: z
      .number()
      .nullable()
      .describe('share of the calls that the lora must answer; over 1: it never pays'),
    isModelAlone: z.boolean().describe('less than a fifth comes from removing the prompt'),
    price,
    adaptedPrice: price,
    traffic: z
      .object({
        calls: z.number().describe('in the part of the log that was looked at'),
        from: z.number().describe('milliseconds since the epoch'),
        to: z.number(),
        callsPerMonth: z.number().nullable().describe('null where that is less than a day'),
        discardedShare: z.number().describe('of the fallbacks, those whose lora was asked'),
      })
      .nullable(),
    call: callSchema.nullable().describe('mean of the calls that the upstream answered'),
    perCallUsd: z
      .object({
        now: z.number().describe('what the caller pays the upstream'),
        keep: z.number().describe('the adapted model with the whole prompt'),
        adapted: z.number().describe('the adapted model without it'),
        internalized: z.number().describe('with fallbacks to the upstream'),
      })
      .nullable(),
    coverage: z.object({
      answered: z.number().describe('share of the matching calls that the lora answers'),
      discarded: z.number().describe('share whose adapted answer is thrown away'),
      source: z
        .enum(['assumed', 'proven', 'measured'])
        .describe('assumed: not trained yet, so the figures are the most that it can be'),
    }),
    onceUsd: z.object({
      training: z.number().nullable().describe('null: nothing says how long it takes'),
      evaluation: z.number(),
    }),
  })
  .openapi('Economics', { description: 'Whether internalizing a template pays' })

export const savingsSchema = statsSchema
  .extend({
    usd: dollarsSchema.nullable().describe('null where no call can be priced'),
    unpricedAnswers: z.number().describe('answers by loras that count as saving nothing'),
    engineUsdPerHour: z.number().nullable().describe('null: not set, and it counts nothing'),
    engineHours: z.number().describe('in which at least one lora was live'),
    trainingHours: z.number(),
    templates: z.array(statsSchema.extend({ version: z.string(), usd: dollarsSchema.nullable() })),
  })
  .openapi('SavingsReport')
