/** The shapes of a template's totals, of savings and of the economics of internalizing a template. */
import { z } from '@hono/zod-openapi'
import type { Price } from '../../core/cost/prices.ts'
import { flag, number, numberOrNull, text, textOrNull, time } from './described.ts'

export const statsSchema = z
  .object({
    requests: number('of clients'),
    bought: number('answers that a move has bought for it; no requests of clients'),
    answered: number('requests that the lora answered'),
    forwarded: number('requests that matched a live route and the upstream answered'),
    promptTokensSaved: z.number(),
    savedUsd: number(
      'sum over the answers of tokens saved at the cached-input price; nothing deducted'
    ),
    lastSeen: time.nullable(),
  })
  .openapi('TemplateStats', { description: 'Running totals of a template' })

const price = z
  .custom<Price>()
  .openapi({ type: 'object', additionalProperties: true })
  .describe(
    'entry of PRICES_FILE, or of the prices that ship with the project: US dollars per million tokens, and the date of the price'
  )
  .nullable()

const dollarsSchema = z
  .object({
    grossUsd: number(
      'what the answers would have cost at the upstream, less what they cost in its place'
    ),
    discardedUsd: number('cost of answers that were discarded'),
    engineUsd: number('ENGINE_USD_PER_HOUR times the hours in which a lora was live'),
    trainingUsd: number('cost of training, and of upstream answers bought for the evaluation'),
    netUsd: number('gross minus discarded answers, engine and training'),
  })
  .openapi('Savings', {
    description: 'US dollars, compared with the callers` present cost at the upstream',
  })

const callSchema = z.object({
  promptTokens: z.number(),
  templateTokens: number('tokens of the prompt that the lora does not need'),
  queryTokens: number('tokens of the prompt that remain'),
  outputTokens: z.number(),
  countedBy: z.enum(['upstream', 'estimate']),
  cacheHitShare: number('share of the prompt tokens that the provider`s cache served'),
  cacheWriteShare: numberOrNull('null if the provider does not report it'),
  cacheIsMeasured: flag('false: the provider does not report it, and a warm cache is assumed'),
})

export const economicsSchema = z
  .object({
    verdict: z.enum(['pays', 'does-not-pay', 'unknown']),
    reason: z.string(),
    remarks: z.array(z.string()),
    monthly: dollarsSchema
      .nullable()
      .describe(
        'per month, with training spread over six months; null if the calls per month are unknown'
      ),
    mendedNetUsdPerMonth: numberOrNull(
      'net per month against the provider`s cache after the mends that `cache` names; null if there is none, or unknown'
    ),
    price,
    otherModel: textOrNull(
      'model of the upstreams that answers with the whole prompt; null: one of the engine'
    ),
    otherPrice: price,
    traffic: z
      .object({
        calls: number('calls in the part of the log that was examined'),
        from: time,
        to: z.number(),
        callsPerMonth: numberOrNull('null if that part is shorter than a day'),
        asked: z
          .object({
            answered: z.number(),
            discarded: number('the lora was asked, and its answer thrown away'),
            unfitShare: number(
              'share that the lora may not answer, independent of the random draw'
            ),
          })
          .describe('outcomes of the newest calls with a live route'),
      })
      .nullable(),
    isFreeText: flag(
      'true if the newest answers are free text without a form, and there is no judge that may compare them'
    ),
    call: callSchema.nullable().describe('mean over the calls that the upstream answered'),
    perCallUsd: z
      .object({
        now: number('present cost at the upstream, with its cache'),
        ours: number('cost of what answers in its place; 0 for the engine, whose hours are paid'),
      })
      .nullable(),
    coverage: z.object({
      answered: number('share of the matching calls that the lora answers'),
      discarded: number('share of the matching calls whose lora answer is discarded'),
      source: z
        .enum(['assumed', 'proven', 'measured'])
        .describe('assumed: not trained yet, so the figures are upper bounds'),
    }),
    onceUsd: z.object({
      training: numberOrNull('null: the training time is unknown'),
      evaluation: z.number(),
    }),
  })
  .openapi('Economics', { description: 'Whether internalizing a template pays' })

const usdPerMonth = numberOrNull('null: `usdUnknown` says why')

export const cacheSchema = z
  .object({
    at: number('when the log was read, milliseconds since the epoch'),
    stablePrefixTokens: number('of the prefix that nine of ten requests share with an earlier one'),
    providerMinimumTokens: number('the provider caches no shorter prefix'),
    cachedShare: numberOrNull(
      'of the prompt tokens, as the provider reports it; null if it does not'
    ),
    readableShare: number(
      'of the prompt tokens, what an earlier request has left in the cache by its text'
    ),
    cause: text('that costs most; none: the cache is read as far as it can be'),
    firstDifference: textOrNull('where requests differ; with text of the log only for ADMIN_TOKEN'),
    mend: z.string().nullable(),
    usdPerMonth: usdPerMonth.describe('that all mends save together; null: `usdUnknown` says why'),
    usdUnknown: z.string().nullable(),
    priceAsOf: textOrNull('YYYY-MM-DD'),
    mendedShare: number('of the prompt tokens, what all mends add to the cached ones'),
    causes: z
      .array(
        z.object({
          cause: z.string(),
          firstDifference: z.string().nullable(),
          mend: z.string(),
          usdPerMonth: usdPerMonth.describe('after the mends before it'),
        })
      )
      .describe('most costly first'),
  })
  .openapi('TemplateCache', {
    description: 'Why the provider`s prompt cache is not read, from the newest requests of the log',
  })

const periodSavingsSchema = z
  .object({
    from: number('milliseconds since the epoch; 0: since the log began'),
    spentUsd: numberOrNull(
      'charged by the upstream for logged requests; null if no model has a price'
    ),
    unpricedSpent: number('answers of the upstream without a price or without tokens'),
    usd: dollarsSchema.nullable().describe('null if no call of a template has a price'),
    unpricedAnswers: number('answers by loras without a price; they count as saving nothing'),
    engineHours: number('hours in which at least one lora was live'),
    trainingHours: z.number(),
    auditsUsd: number('paid to the upstream for audited answers that a lora would have given'),
    movesUsd: number('paid for answers of other models that moves have bought; in no other figure'),
    templates: z.array(
      z.object({
        version: z.string(),
        answered: number('requests that the lora answered'),
        discarded: number('the lora was asked, and its answer thrown away'),
        usd: dollarsSchema.nullable(),
      })
    ),
  })
  .openapi('PeriodSavings')

export const savingsSchema = z
  .object({
    at: time,
    engineUsdPerHour: numberOrNull('null: not set, and counted as zero'),
    periods: z.object({
      day: periodSavingsSchema,
      week: periodSavingsSchema,
      month: periodSavingsSchema,
      all: periodSavingsSchema.describe('since the log began, at most 400 days'),
    }),
    perAnswerUsd: z
      .record(z.string(), z.number())
      .describe('dollars that one answer of a template`s lora saves, before costs'),
    prices: z
      .array(z.object({ model: z.string(), asOf: z.string(), source: z.string().optional() }))
      .describe('of the models in the log: the day on which each was read, and the page'),
  })
  .openapi('SavingsReport')
