/** Ratings: pairs to rate, the rating of a record, and the export of all ratings and feedback. */
import type { Api } from './described.ts'
import { createRoute, z } from '@hono/zod-openapi'
import { exportedRatings } from '../../lifecycle/ratings/exported-ratings.ts'
import { ratePair, shownPairs } from '../../lifecycle/ratings/rating.ts'
import type { AdminDeps } from '../deps.ts'
import { readInternalization } from '../reading/read-internalization.ts'
import {
  exportedRatingSchema,
  pairSchema,
  pairsQuerySchema,
  ratedSchema,
  ratingRequestSchema,
} from './rollout-schemas.ts'
import { jsonBody, responses } from './schemas.ts'

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
