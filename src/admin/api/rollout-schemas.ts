/** The shapes of a rollout, its evidence, its pairs and their ratings. */
import { z } from '@hono/zod-openapi'
import { DRAWN_SIDES, MAX_COMMENT_CHARS, THUMBS } from '../../core/log/feedback.ts'
import { STEP_CAUSES } from '../../core/internalization/coverage-steps.ts'
import { INDICATORS } from '../../core/rollout/indicators.ts'
import { PAIR_OUTCOMES, RATINGS, type PairOutcome } from '../../core/rollout/pair.ts'
import { flag, number, numberOrNull, text, textOrNull, time } from './described.ts'

const countsSchema = z.object({
  pairs: number('conversations'),
  losses: number('sum over the conversations of their mean losses above 0'),
  credits: number(
    'the same for mean losses below 0, without the sign: the second answer of the upstream equals that of the lora'
  ),
})

export const stageSchema = z
  .object({
    share: number(
      'of the matching traffic that the lora may answer: 0 is shadow, 1 the last stage'
    ),
    before: countsSchema.describe('the pairs before the stage began'),
    began: time.describe('when the stage began, milliseconds since the epoch'),
    isPaused: z.literal(true).optional().describe('a person has paused it'),
    shareBefore: z.number().optional().describe('with `isPaused`: the share that it resumes at'),
  })
  .openapi('RolloutStage')

export const evidenceSchema = countsSchema
  .extend({
    interval: z
      .tuple([z.number(), z.number()])
      .describe('95 % confidence sequence of the loss, valid at all times simultaneously'),
    margin: number('the loss that is allowed'),
    proven: number('upper bound of the loss in the proof'),
    least: z
      .union([z.literal(0), z.literal(-1)])
      .describe('the least loss of a pair; −1 where the upstream can be asked again'),
    rollback: number(
      'natural logarithm of the capital against the statement that the loss is within the margin'
    ),
    drift: number('the same, against the statement that the loss is at most what was proven'),
    step: number(
      'the same, of the pairs since the stage began, against the statement that the loss is at least the margin'
    ),
    stagePairs: number('conversations since the stage began'),
    roseAt: time
      .nullable()
      .describe(
        'when the loss rose above what was proven, if it did; null: it was above it from the beginning'
      ),
    sinceRise: countsSchema.describe('the pairs since then'),
  })
  .openapi('RolloutEvidence')

const bySide = (description: string) =>
  z
    .object({
      lora: number('of the side of the lora, whether the lora or the upstream answered'),
      audit: number('of the audited side'),
    })
    .describe(description)

const outcomeFiguresSchema = z
  .object({
    conversations: bySide('rated conversations that are over'),
    blocks: number('of neighbouring conversations, in which the sides are compared'),
    bad: bySide('share of bad ratings, mean over the blocks')
      .nullable()
      .describe('null before the first block'),
    interval: z
      .tuple([z.number(), z.number()])
      .describe(
        '95 % confidence sequence of the difference: bad share of the lora side minus that of the audited side'
      ),
    margin: number('the difference that is allowed'),
    rollback: number(
      'natural logarithm of the capital against the statement that the difference is within the margin'
    ),
    harm: number('the same, against the statement that there is no difference'),
    missing: numberOrNull(
      'estimated number of further rated conversations that are needed to detect a difference of one point'
    ),
    revision: number('rises with feedback that is replaced or deleted'),
  })
  .openapi('OutcomeTest', { description: 'What users say of the two sides of a live route' })

const outcomeSchema = z.enum(PAIR_OUTCOMES)

/** There is nothing to choose between, or the lora's answer was none. */
const WITHOUT_RATING = new Set<PairOutcome>([
  'draft-agreed',
  'draft-disagreed',
  'withheld',
  'fallback',
  'unusable',
])

const borderEvidence = {
  ...countsSchema.shape,
  answered: number('answered pairs that were read until then'),
  drafts: number('answers below the border in force that were read until then'),
  margin: z.number(),
  capital: number(
    'natural logarithm of the capital against "the loss there is at least the margin"'
  ),
}

export const borderSchema = z
  .object({
    threshold: number('the lora answers from this confidence on'),
    evidence: z.object(borderEvidence).describe('where it is narrower: since the loss rose'),
    narrowing: z
      .object({
        before: number('answers until the loss rose'),
        rise: number('natural logarithm of the capital against "the loss is within the margin"'),
        least: z.union([z.literal(0), z.literal(-1)]).describe('least loss of a pair'),
      })
      .optional()
      .describe('why it is narrower than the one before; absent where it is wider'),
  })
  .openapi('Border', { description: 'A border that pairs have proved after the proof' })

export const withheldSchema = z
  .object({
    kind: z.enum(['answer', 'request']).describe('what the name is of'),
    name: text('an answer, or a trait or a slot value of requests'),
    ...countsSchema.shape,
    capital: number(
      'natural logarithm of the capital against "at most a quarter of them are wrong", or a tenth by new labels'
    ),
  })
  .openapi('WithheldPart')

export const coverageChangeSchema = z.object({
  audited: number('audited requests until the change'),
  before: number('of these, the ones that it answers without the change'),
  after: number('and with it'),
})

export const coverageStepSchema = z
  .object({
    at: time,
    cause: z.enum(STEP_CAUSES),
    threshold: number('confidence from which on it answers since then'),
    share: number('of the matching traffic that it may answer since then'),
    coverage: numberOrNull(
      'share of these requests that it answers: by the proof of the held-out traffic, later of the audited requests until then; null: not known'
    ),
    before: numberOrNull('the same without the step; null where it changed no coverage'),
    capital: numberOrNull('natural logarithm of the capital that decided it; null: a person did'),
    why: text('in words, with the evidence'),
  })
  .openapi('CoverageStep', {
    description: 'A change of what a live route answers: gained or lost, and why',
  })

const borderReportSchema = z
  .object({
    present: number('number of the border in force; 0: that of the proof'),
    widest: number('number of the widest border that pairs may prove'),
    coverage: numberOrNull(
      'share of the audited requests that it answers; null before the first one'
    ),
    next: borderSchema
      .extend({ coverage: z.number() })
      .nullable()
      .describe('the next wider border; null: there is none'),
  })
  .openapi('BorderReport')

export const rolloutSchema = z
  .object({
    at: time,
    stage: stageSchema,
    evidence: evidenceSchema,
    feedback: outcomeFiguresSchema,
    rollbackCapital: number('capital at which it is rolled back, and at which drift is reported'),
    stepCapital: number('capital at which the next stage may begin'),
    outcomes: z.record(outcomeSchema, z.number()).describe('audited requests by outcome'),
    border: borderReportSchema.describe('the confidence from which on the lora answers'),
    waiting: number('audited requests without the answer of the lora yet'),
    dropped: number('audited requests that were dropped, because too many waited'),
    waitsFor: z
      .array(z.string())
      .describe('what the next stage needs in addition to evidence: a time, parts of the day'),
    mayStep: flag('the next stage may begin'),
    auditPart: number(
      'share of the audits of the stage that are carried out; below 1 because of the audit budget or a busy engine'
    ),
    driftedAt: time
      .nullable()
      .describe('when a loss above the proven bound, or a raised indicator, was first detected'),
    drift: textOrNull('what was detected'),
    indicators: z
      .array(
        z.object({
          indicator: z.enum(INDICATORS),
          requests: number('audited requests that it applies to'),
          seen: number('those with it'),
          share: number('in the held-out traffic of the proof'),
          bound: number('upper bound of that share'),
          evidence: number(
            'natural logarithm of the capital against the statement that the share is at most the bound'
          ),
        })
      )
      .describe('signs that the questions have changed'),
    upstreamVersions: z
      .array(
        z.object({
          name: text('`model` and `system_fingerprint` of the answers'),
          ...countsSchema.shape,
          from: time,
          to: time,
        })
      )
      .describe('the models that answered for the upstream, the newest last'),
    deprecatedOn: textOrNull('day on which the provider retires the model, by the price file'),
    isDeprecated: flag('that day has come'),
    spentUsdToday: number('cost of the audits of all routes since midnight UTC'),
    auditUsdPerDay: numberOrNull('limit of that cost; null: none'),
  })
  .openapi('Rollout', { description: 'What the worker knows of a live route' })

const thumbCounts = z.object({ good: z.number(), bad: z.number() })

export const feedbackCountsSchema = z
  .object({
    lora: thumbCounts.describe('on answers of the lora'),
    upstream: thumbCounts.describe('on answers of the upstream to requests that matched its route'),
  })
  .openapi('FeedbackCounts', {
    description:
      'What applications sent, by who answered. `rollout.feedback` compares the two sides of the route',
  })

const place = z.enum(['a', 'b'])

export const pairSchema = z
  .object({
    place: z.number(),
    recordId: textOrNull('null after the record was forgotten'),
    at: time.describe('when the request arrived, milliseconds since the epoch'),
    query: textOrNull('null after the record was deleted'),
    answers: z
      .object({ a: z.string(), b: z.string() })
      .nullable()
      .describe(
        'in a fixed order; an answer that is not plain text is named, such as `[tool-calls]`. Null without two answers'
      ),
    isRated: z.boolean(),
    revealed: z
      .object({
        lora: place.describe('the answer of the lora; the client got the other one'),
        outcome: outcomeSchema,
        reason: textOrNull('why it is `fallback` or `unusable`'),
        similarity: number('of both answers, 0 to 1'),
        confidence: numberOrNull(
          'natural logarithm of a probability, by the statistic of the route'
        ),
        secondUpstreamAnswer: textOrNull(
          'the answer of the upstream when it was asked again; null when it was not'
        ),
        rating: z.enum(RATINGS).nullable(),
      })
      .nullable()
      .describe('null unless `revealed=true`'),
  })
  .openapi('Pair', { description: 'An audited request with both answers' })

export const pairsQuerySchema = z
  .object({
    limit: z.coerce.number().int().min(1).max(500).default(20),
    before: z.coerce.number().int().min(1).optional().openapi({
      description: '`next` of the previous page',
    }),
    outcome: outcomeSchema.optional(),
    revealed: z.enum(['true', 'false']).default('false').openapi({
      description: 'true: also which answer is the lora`s, and the figures of the pair',
    }),
  })
  .refine(
    ({ outcome, revealed }) =>
      revealed === 'true' || outcome === undefined || !WITHOUT_RATING.has(outcome),
    {
      path: ['outcome'],
      message: 'these have no two answers to rate; they are shown with revealed=true',
    }
  )

export const ratingRequestSchema = z
  .object({
    right: z
      .enum(['a', 'b', ...RATINGS])
      .nullable()
      .optional()
      .describe('of a pair: which answer is right. Null removes the rating'),
    rating: z
      .enum(THUMBS)
      .nullable()
      .optional()
      .describe('of any record: the answer that its client got. Null removes the rating'),
    comment: z.string().max(MAX_COMMENT_CHARS).optional().describe('beside `rating`'),
  })
  .refine(({ right, rating }) => (right === undefined) !== (rating === undefined), {
    path: ['right'],
    message: 'give either `right`, for a pair, or `rating`, for the answer that the client got',
  })
  .refine(({ comment, rating }) => comment === undefined || typeof rating === 'string', {
    path: ['comment'],
    message: 'requires a `rating`',
  })
  .openapi('RatingRequest')

export const ratedSchema = z
  .object({
    record: z.string(),
    right: z
      .enum(['a', 'b', ...RATINGS])
      .nullable()
      .optional(),
    rating: z.enum(THUMBS).nullable().optional(),
  })
  .openapi('Rated', { description: 'The rating as it was given' })

export const exportedRatingSchema = z
  .object({
    kind: z.enum(['pair', 'feedback']),
    recordId: textOrNull('null after the record was forgotten'),
    templateVersion: textOrNull(
      'null after the record was deleted, and while its template is not known'
    ),
    lora: textOrNull('of the live route that the request matched; null without one'),
    answeredBy: z.enum(['lora', 'upstream']).describe('who answered the client'),
    side: z
      .enum(DRAWN_SIDES)
      .nullable()
      .describe(
        'side that the record was drawn for, whether or not that side answered; null: none'
      ),
    conversation: textOrNull('the same for all turns of a conversation'),
    rating: z
      .enum([...RATINGS, ...THUMBS])
      .describe('of a pair: which answer is right; of feedback: `good` or `bad`'),
    counts: flag(
      'whether it is evidence: a rating of a pair, or feedback of an application on a record with a side'
    ),
    comment: z.string().nullable(),
    by: z.enum(['admin', 'application']),
    at: time.describe('when it was given'),
  })
  .openapi('ExportedRating')
