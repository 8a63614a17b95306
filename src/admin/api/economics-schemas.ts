/** The shapes of a template's totals, of savings and of the economics of internalizing a template. */
import { z } from '@hono/zod-openapi'
import type { Price } from '../../core/cost/prices.ts'

export const statsSchema = z
  .object({
    requests: z.number().describe('of clients'),
    bought: z.number().describe('answers that a move has bought for it; no requests of clients'),
    answered: z.number().describe('requests that the lora answered'),
    forwarded: z.number().describe('requests that matched a live route and the upstream answered'),
    promptTokensSaved: z.number(),
    savedUsd: z
      .number()
      .describe('sum over the answers of tokens saved at the cached-input price; nothing deducted'),
    lastSeen: z.number().describe('milliseconds since the epoch').nullable(),
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
    grossUsd: z
      .number()
      .describe('saved by the cheaper model and by the removed prompt, before costs'),
    byModelUsd: z.number().describe('saved by the cheaper model with the whole prompt'),
    byPromptUsd: z.number().describe('saved in addition because the lora does not read the prompt'),
    discardedUsd: z.number().describe('cost of lora answers that were discarded'),
    engineUsd: z.number().describe('ENGINE_USD_PER_HOUR times the hours in which a lora was live'),
    trainingUsd: z
      .number()
      .describe('cost of training, and of upstream answers bought for the evaluation'),
    netUsd: z.number().describe('gross minus discarded answers, engine and training'),
  })
  .openapi('Savings', {
    description: 'US dollars, compared with the callers` present cost at the upstream',
  })

const callSchema = z.object({
  promptTokens: z.number(),
  templateTokens: z.number().describe('tokens of the prompt that the lora does not need'),
  queryTokens: z.number().describe('tokens of the prompt that remain'),
  outputTokens: z.number(),
  countedBy: z.enum(['upstream', 'estimate']),
  cacheHitShare: z.number().describe('share of the prompt tokens that the provider`s cache served'),
  cacheWriteShare: z.number().nullable().describe('null if the provider does not report it'),
  cacheIsMeasured: z
    .boolean()
    .describe('false: the provider does not report it, and a warm cache is assumed'),
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
    paybackDays: z.number().nullable().describe('null: never, or unknown'),
    mendedNetUsdPerMonth: z
      .number()
      .nullable()
      .describe(
        'net per month against the provider`s cache after the mends that `cache` names; null if there is none, or unknown'
      ),
    breakEvenCoverage: z
      .number()
      .nullable()
      .describe(
        'share of the calls that the lora must answer to break even; over 1: it never does'
      ),
    isModelAlone: z
      .boolean()
      .describe('true if the removed prompt contributes less than a fifth of the savings'),
    price,
    adaptedPrice: price,
    otherModel: z
      .string()
      .nullable()
      .describe(
        'model of the upstreams that answers with the whole prompt; null: one of the engine'
      ),
    traffic: z
      .object({
        calls: z.number().describe('calls in the part of the log that was examined'),
        from: z.number().describe('milliseconds since the epoch'),
        to: z.number(),
        callsPerMonth: z.number().nullable().describe('null if that part is shorter than a day'),
        asked: z
          .object({
            answered: z.number(),
            discarded: z.number().describe('the lora was asked, and its answer thrown away'),
            unfitShare: z
              .number()
              .describe('share that the lora may not answer, independent of the random draw'),
          })
          .describe('outcomes of the newest calls with a live route'),
      })
      .nullable(),
    isFreeText: z
      .boolean()
      .describe(
        'true if the newest answers are free text without a form, and there is no judge that may compare them'
      ),
    call: callSchema.nullable().describe('mean over the calls that the upstream answered'),
    perCallUsd: z
      .object({
        now: z.number().describe('present cost at the upstream'),
        keep: z.number().describe('cost of the adapted model with the whole prompt'),
        adapted: z.number().describe('cost of the adapted model without the template'),
        internalized: z.number().describe('cost of the lora including fallbacks to the upstream'),
      })
      .nullable(),
    coverage: z.object({
      answered: z.number().describe('share of the matching calls that the lora answers'),
      discarded: z.number().describe('share of the matching calls whose lora answer is discarded'),
      source: z
        .enum(['assumed', 'proven', 'measured'])
        .describe('assumed: not trained yet, so the figures are upper bounds'),
    }),
    onceUsd: z.object({
      training: z.number().nullable().describe('null: the training time is unknown'),
      evaluation: z.number(),
    }),
  })
  .openapi('Economics', { description: 'Whether internalizing a template pays' })

const usdPerMonth = z.number().nullable().describe('null: `usdUnknown` says why')

export const cacheSchema = z
  .object({
    at: z.number().describe('when the log was read, milliseconds since the epoch'),
    stablePrefixTokens: z
      .number()
      .describe('of the prefix that nine of ten requests share with an earlier one'),
    providerMinimumTokens: z.number().describe('the provider caches no shorter prefix'),
    cachedShare: z
      .number()
      .nullable()
      .describe('of the prompt tokens, as the provider reports it; null if it does not'),
    readableShare: z
      .number()
      .describe('of the prompt tokens, what an earlier request has left in the cache by its text'),
    cause: z.string().describe('that costs most; none: the cache is read as far as it can be'),
    firstDifference: z
      .string()
      .nullable()
      .describe('where requests differ; with text of the log only for ADMIN_TOKEN'),
    mend: z.string().nullable(),
    usdPerMonth: usdPerMonth.describe('that all mends save together; null: `usdUnknown` says why'),
    usdUnknown: z.string().nullable(),
    priceAsOf: z.string().nullable().describe('YYYY-MM-DD'),
    mendedShare: z.number().describe('of the prompt tokens, what all mends add to the cached ones'),
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
    from: z.number().describe('milliseconds since the epoch; 0: since the log began'),
    spentUsd: z
      .number()
      .nullable()
      .describe('charged by the upstream for logged requests; null if no model has a price'),
    unpricedSpent: z.number().describe('answers of the upstream without a price or without tokens'),
    usd: dollarsSchema.nullable().describe('null if no call of a template has a price'),
    unpricedAnswers: z
      .number()
      .describe('answers by loras without a price; they count as saving nothing'),
    engineHours: z.number().describe('hours in which at least one lora was live'),
    trainingHours: z.number(),
    auditsUsd: z
      .number()
      .describe('paid to the upstream for audited answers that a lora would have given'),
    movesUsd: z
      .number()
      .describe('paid for answers of other models that moves have bought; in no other figure'),
    templates: z.array(
      z.object({
        version: z.string(),
        answered: z.number().describe('requests that the lora answered'),
        discarded: z.number().describe('the lora was asked, and its answer thrown away'),
        usd: dollarsSchema.nullable(),
      })
    ),
  })
  .openapi('PeriodSavings')

export const savingsSchema = z
  .object({
    at: z.number().describe('milliseconds since the epoch'),
    engineUsdPerHour: z.number().nullable().describe('null: not set, and counted as zero'),
    provider: z
      .object({
        provider: z.string(),
        model: z.string().describe('that is adapted'),
        asOf: z.string().describe('day on which the engine said the prices'),
        input: z.number().describe('dollars a million tokens'),
        output: z.number(),
        training: z.number().describe('of each token that a training step computes'),
      })
      .nullable()
      .describe('computes for the engine, and asks for tokens in place of hours; null: none does'),
    unpricedProvider: z
      .string()
      .nullable()
      .describe('one whose prices are not known: its costs are left out; null: there is none'),
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
      .describe(
        'of the models in the log and of a provider: the day on which each was read, and the page'
      ),
  })
  .openapi('SavingsReport')
