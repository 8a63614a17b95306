/** Ratings: pairs to rate, the rating of a record, and the export of all ratings and feedback. */
import { createRoute, z } from '@hono/zod-openapi'
import { DRAWN_SIDES, MAX_COMMENT_CHARS, THUMBS } from '../../core/log/feedback.ts'
import { PAIR_OUTCOMES, RATINGS, type PairOutcome } from '../../core/rollout/pair.ts'
import { exportedRatings } from '../../lifecycle/ratings/exported-ratings.ts'
import { ratePair, shownPairs } from '../../lifecycle/ratings/rating.ts'
import type { AdminDeps } from '../deps.ts'
import { readInternalization } from '../../views/internalization.ts'
import { time } from '../../views/shape.ts'
import { jsonBody, responses, type Api } from './route.ts'

const outcomeSchema = z.enum(PAIR_OUTCOMES)
const place = z.enum(['a', 'b'])

/** There is nothing to choose between, or the lora's answer was none. */
const WITHOUT_RATING = new Set<PairOutcome>([
  'draft-agreed',
  'draft-disagreed',
  'withheld',
  'fallback',
  'unusable',
])

const pairSchema = z
  .object({
    place: z.number(),
    recordId: z.string().nullable(),
    at: time,
    query: z.string().nullable(),
    answers: z
      .object({ a: z.string(), b: z.string() })
      .nullable()
      .describe('in a fixed order; one that is not plain text is named, such as `[tool-calls]`'),
    isRated: z.boolean(),
    revealed: z
      .object({
        lora: place,
        outcome: outcomeSchema,
        reason: z.string().nullable(),
        confidence: z.number().nullable(),
        secondUpstreamAnswer: z.string().nullable(),
        rating: z.enum(RATINGS).nullable(),
      })
      .nullable()
      .describe('null unless `revealed=true`'),
  })
  .openapi('Pair', { description: 'An audited request with both answers' })

const pairsQuerySchema = z
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

const ratingRequestSchema = z
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

const ratedSchema = z
  .object({
    record: z.string(),
    right: z
      .enum(['a', 'b', ...RATINGS])
      .nullable()
      .optional(),
    rating: z.enum(THUMBS).nullable().optional(),
  })
  .openapi('Rated', { description: 'The rating as it was given' })

const exportedRatingSchema = z
  .object({
    kind: z.enum(['pair', 'feedback']),
    recordId: z.string().nullable(),
    templateVersion: z.string().nullable(),
    lora: z.string().nullable(),
    answeredBy: z.enum(['lora', 'upstream']),
    side: z.enum(DRAWN_SIDES).nullable().describe('that the record was drawn for'),
    conversation: z.string().nullable(),
    rating: z.enum([...RATINGS, ...THUMBS]),
    counts: z.boolean().describe('whether it is evidence'),
    comment: z.string().nullable(),
    by: z.enum(['admin', 'application']),
    at: time,
  })
  .openapi('ExportedRating')

const params = z.object({ id: z.string() })

const pairsRoute = createRoute({
  method: 'get',
  path: '/internalizations/{id}/pairs',
  summary: 'Audited requests with both answers, newest first, for a person who rates them',
  description:
    'The source of each answer is hidden: the order of `a` and `b` is random for each pair. Rate them ' +
    'with `PUT /records/{id}/rating`.',
  request: { params, query: pairsQuerySchema },
  responses: responses(
    200,
    z.object({
      data: z.array(pairSchema),
      next: z.number().nullable().describe('`before` of the next page; null on the last one'),
    }),
    'A page of pairs'
  ),
})

const rateRoute = createRoute({
  method: 'put',
  path: '/records/{id}/rating',
  summary: 'Rate a pair, or the answer that the client of a record got',
  description:
    'The rating of a pair counts in the evidence, whether its answers agree or not: it is a loss only if the ' +
    'upstream alone was right. Where a judge compares the answers it counts only in the promise about people. All ' +
    'other ratings are only shown and exported. A rating replaces the previous one.',
  request: { params, body: jsonBody(ratingRequestSchema) },
  responses: responses(200, ratedSchema, 'The rating as it was given'),
})

const ratingsRoute = createRoute({
  method: 'get',
  path: '/ratings',
  summary: 'All ratings of pairs, then all feedback, in the order in which they were first given',
  request: {
    query: z.object({
      limit: z.coerce.number().int().min(1).max(1000).default(500),
      after: z.string().default('').openapi({ description: '`next` of the previous page' }),
    }),
  },
  responses: responses(
    200,
    z.object({
      data: z.array(exportedRatingSchema),
      next: z.string().nullable().describe('`after` of the next page; null on the last one'),
    }),
    'A page of ratings, which may be empty before the last one'
  ),
})

export const addRatingRoutes = (app: Api, deps: AdminDeps): void => {
  const { store, now, blindSecret: secret } = deps

  app.openapi(pairsRoute, async (context) => {
    const row = await readInternalization(store, context.req.valid('param').id)
    const { limit, before, outcome, revealed } = context.req.valid('query')
    const reveals = revealed === 'true' ? 'all' : 'none'
    const query = { limit, before, outcome, reveals } as const
    const data = await shownPairs(store, row, query, secret)
    const next = data[limit - 1]?.place ?? null
    return context.json({ data, next }, 200)
  })

  app.openapi(rateRoute, async (context) => {
    const { id: recordId } = context.req.valid('param')
    const { right, rating, comment = null } = context.req.valid('json')
    if (right !== undefined) {
      await ratePair(store, recordId, right, { secret, now: now() })
      return context.json({ record: recordId, right }, 200)
    }
    const by = 'admin'
    if (typeof rating === 'string')
      await store.feedback.put({ recordId, by, rating, comment, at: now() }, null)
    else await store.feedback.remove(recordId, by, null)
    return context.json({ record: recordId, rating: rating ?? null }, 200)
  })

  app.openapi(ratingsRoute, async (context) => {
    const { limit, after } = context.req.valid('query')
    return context.json(await exportedRatings(store, after, limit), 200)
  })
}
