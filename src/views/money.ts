/** What a template costs and saves, as API, command line and page have it. */
import { z } from '@hono/zod-openapi'
import type { CauseReport } from '../core/cache/cache-report.ts'
import type { Price } from '../core/cost/prices.ts'
import { stored, texts, time, usd } from './shape.ts'

export const statsSchema = z
  .object({
    requests: z.number(),
    bought: z.number().describe('answers that a move has bought; no requests of clients'),
    answered: z.number().describe('by the lora'),
    forwarded: z.number().describe('matched a live route, and the upstream answered'),
    promptTokensSaved: z.number(),
    lastSeen: time.nullable(),
  })
  .openapi('TemplateStats', { description: 'Running totals of a template' })

const price = stored<Price>('of PRICES_FILE: US dollars per million tokens').nullable()

const dollarsSchema = z
  .object({
    grossUsd: z.number().describe('saved before costs'),
    discardedUsd: z.number().describe('answers that were thrown away'),
    engineUsd: z.number(),
    trainingUsd: z.number().describe('with answers that were bought for the evaluation'),
    netUsd: z.number(),
  })
  .openapi('Savings', { description: 'US dollars, against the present cost at the upstream' })

const callSchema = z.object({
  promptTokens: z.number(),
  templateTokens: z.number().describe('that the lora does not need'),
  queryTokens: z.number().describe('that remain'),
  outputTokens: z.number(),
  countedBy: z.enum(['upstream', 'estimate']),
  cacheHitShare: z.number(),
  cacheWriteShare: z.number().nullable(),
  cacheIsMeasured: z.boolean().describe('false: a warm cache is assumed'),
})

const trafficSchema = z.object({
  calls: z.number().describe('that were read'),
  from: time,
  to: time,
  callsPerMonth: z.number().nullable().describe('null: shorter than a day'),
  asked: z.object({
    answered: z.number(),
    discarded: z.number(),
    unfitShare: z.number().describe('that the lora may not answer'),
  }),
})

export const economicsSchema = z
  .object({
    verdict: z.enum(['pays', 'does-not-pay', 'unknown']),
    reason: z.string(),
    remarks: texts,
    monthly: dollarsSchema.nullable().describe('training is spread over six months'),
    price,
    otherModel: z.string().nullable().describe('of the upstreams; null: one of the engine'),
    otherPrice: price,
    traffic: trafficSchema.nullable(),
    isFreeText: z.boolean().describe('without a form or a judge'),
    call: callSchema.nullable().describe('mean over the calls that the upstream answered'),
    perCallUsd: z
      .object({
        now: z.number().describe('at the upstream, with its cache'),
        ours: z.number().describe('of what answers in its place; 0 for the engine'),
      })
      .nullable(),
    coverage: z.object({
      answered: z.number(),
      discarded: z.number(),
      source: z.enum(['assumed', 'proven', 'measured']).describe('assumed: at most'),
    }),
    onceUsd: z.object({ training: z.number().nullable(), evaluation: z.number() }),
  })
  .openapi('Economics', { description: 'Whether internalizing a template pays' })

export const cacheSchema = z
  .object({
    at: time.describe('when the log was read'),
    stablePrefixTokens: z.number().describe('nine of ten requests share them with an earlier one'),
    providerMinimumTokens: z.number().describe('no shorter prefix is cached'),
    cachedShare: z.number().nullable().describe('of the prompt tokens, as reported'),
    readableShare: z.number().describe('of them, what earlier requests have left by their text'),
    usdPerMonth: z.number().nullable().describe('saved by all mends; null: see `usdUnknown`'),
    usdUnknown: z.string().nullable(),
    priceAsOf: z.string().nullable(),
    causes: z.array(
      z.object({
        cause: z.custom<CauseReport['cause']>().openapi({ type: 'string' }),
        firstDifference: z.string().nullable(),
        mend: z.string(),
        usdPerMonth: z.number().nullable().describe('after the mends before it'),
      })
    ),
  })
  .openapi('TemplateCache', { description: 'Why the cache of the provider is not read' })

const periodSavingsSchema = z
  .object({
    from: time.describe('0: since the log began'),
    spentUsd: z.number().nullable().describe('charged by the upstream'),
    unpricedSpent: z.number().describe('answers without a price or tokens'),
    usd: dollarsSchema.nullable(),
    unpricedAnswers: z.number().describe('by loras, counted as saving nothing'),
    engineHours: z.number().describe('in which a lora was live'),
    trainingHours: z.number(),
    auditsUsd: usd,
    movesUsd: usd.describe('in no other figure'),
    templates: z.array(
      z.object({
        version: z.string(),
        answered: z.number(),
        discarded: z.number(),
        usd: dollarsSchema.nullable(),
      })
    ),
  })
  .openapi('PeriodSavings')

export const savingsSchema = z
  .object({
    at: time,
    engineUsdPerHour: z.number().nullable().describe('null: counted as zero'),
    periods: z.object({
      day: periodSavingsSchema,
      week: periodSavingsSchema,
      month: periodSavingsSchema,
      all: periodSavingsSchema.describe('at most 400 days'),
    }),
    perAnswerUsd: z.record(z.string(), z.number()).describe('by template, before costs'),
    prices: z.array(
      z.object({ model: z.string(), asOf: z.string(), source: z.string().optional() })
    ),
  })
  .openapi('SavingsReport')
