/** Internalizations: progress, verdict, and the decisions of a person. */
import { saidBy } from '../../core/reason.ts'
import { createRoute, z } from '@hono/zod-openapi'
import { checkedPath } from '../../core/answer/field-rules.ts'
import type { ProofFile } from '../../core/proof/proof-file.ts'
import { approve } from '../../lifecycle/approve.ts'
import { examplesOf } from '../../lifecycle/held-out-examples.ts'
import { takeBack } from '../../lifecycle/promote.ts'
import type { ApiDeps } from '../deps.ts'
import {
  internalizationSchema,
  internalizationSummary,
  internalizationSummarySchema,
  internalizationView,
  readInternalization,
} from '../../views/internalization.ts'
import { stored } from '../../views/shape.ts'
import { listOf, noteSchema, optionalBody, responses, type Api } from './route.ts'

const exampleSchema = z
  .object({
    recordId: z.string(),
    query: z.string().nullable(),
    outcome: z.string().nullable().describe('of the upstream: text, tool-calls, refusal, …'),
    promptedAnswer: z.string().nullable().describe('from the log'),
    adaptedAnswer: z.string().describe("'' if the lora was not asked"),
    deferred: z.string().nullable().describe('why it goes to the upstream at any confidence'),
    agrees: z.boolean(),
    confidence: z.number().describe('natural logarithm of a probability'),
    isAboveThreshold: z.boolean().nullable(),
    freshUpstreamAnswer: z.string().nullable(),
    fieldsApart: z.array(z.string()).describe('of JSON, at most 50'),
  })
  .openapi('Example')

const approvalSchema = noteSchema.extend({
  now: z.boolean().optional().describe('true: without waiting for evidence and time'),
  share: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe(
      'of the stage to enter, by default the next larger one of `ROLLOUT_STAGES`; 0: a pause'
    ),
})

const rollbackSchema = noteSchema.extend({
  keepPreviousRetired: z.boolean().optional().describe('true: its requests go to the upstream'),
})

const proofFileSchema = stored<ProofFile>('format 1, described in docs/evidence.md')

const params = z.object({ id: z.string() })

const listRoute = createRoute({
  method: 'get',
  path: '/internalizations',
  summary: 'Internalizations, oldest first',
  responses: responses(200, listOf(internalizationSummarySchema), 'All internalizations'),
})

const getRoute = createRoute({
  method: 'get',
  path: '/internalizations/{id}',
  summary: 'One internalization with plan, verdict, history, progress, rollout and feedback',
  request: { params },
  responses: responses(200, internalizationSchema, 'The internalization'),
})

const examplesRoute = createRoute({
  method: 'get',
  path: '/internalizations/{id}/examples',
  summary: 'Held-out exchanges side by side: prompted answer, adapted answer',
  request: {
    params,
    query: z.object({
      limit: z.coerce.number().int().min(1).max(500).default(20),
      arm: z.coerce.number().int().min(0).optional().openapi({
        description: 'index into the plan; by default the winning arm',
      }),
      field: z.string().optional().openapi({
        description: 'path: only answers that disagree in this field',
      }),
    }),
  },
  responses: responses(
    200,
    listOf(exampleSchema),
    'Examples, mistakes first, and of those the most confident ones'
  ),
})

const proofRoute = createRoute({
  method: 'get',
  path: '/internalizations/{id}/proof',
  summary: 'The proof file, from which promptintern verify recomputes the decision',
  request: { params },
  responses: responses(
    200,
    proofFileSchema,
    'Figures of every held-out row and audited pair, without text; 409 before the verdict'
  ),
})

const approveRoute = createRoute({
  method: 'post',
  path: '/internalizations/{id}/approve',
  summary:
    'Take an internalization one step further: from approval to live, and from stage to stage',
  description:
    'From `approval`, it goes live in the first stage of its rollout. A live one enters the next stage if ' +
    'there is enough evidence that its loss is below the margin and the minimum time has passed (`rollout.mayStep`). ' +
    'Otherwise the response is 409 and states the present and the required evidence. In the last stage nothing ' +
    'changes. With `share`, it enters the stage with that share, also from `approval`. The share 0 pauses a live one: ' +
    'its requests go to the upstream, audits continue, and evidence of loss still rolls it back. Without `share` a ' +
    'pause ends with the share before.',
  request: { params, body: optionalBody(approvalSchema) },
  responses: responses(200, internalizationSummarySchema, 'The live internalization'),
})

const rollbackRoute = createRoute({
  method: 'post',
  path: '/internalizations/{id}/rollback',
  summary: 'Take an internalization back: retire a live one, or reject one that is not live',
  description:
    'A live one is retired, and the one that it replaced is live again, unless `keepPreviousRetired` is true. One that ' +
    'is not live is rejected, and can never go live.',
  request: { params, body: optionalBody(rollbackSchema) },
  responses: responses(
    200,
    z.object({
      ended: internalizationSummarySchema,
      restored: internalizationSummarySchema.nullable(),
    }),
    'The internalization that has ended, and the one that is live again'
  ),
})

const addReading = (app: Api, deps: ApiDeps): void => {
  const { internalizations } = deps.store

  app.openapi(listRoute, async (context) => {
    const rows = await internalizations.list({ recordIds: false })
    return context.json({ data: rows.map(internalizationSummary) }, 200)
  })

  app.openapi(getRoute, async (context) => {
    const row = await readInternalization(deps.store, context.req.valid('param').id)
    return context.json(await internalizationView(deps.store, row), 200)
  })

  app.openapi(proofRoute, async (context) => {
    const { file } = await deps.proofOf(context.req.valid('param').id)
    return context.json(file, 200)
  })

  app.openapi(examplesRoute, async (context) => {
    const row = await readInternalization(deps.store, context.req.valid('param').id)
    const { limit, arm, field } = context.req.valid('query')
    const wanted = { limit, arm, field: field && checkedPath(field) }
    return context.json({ data: await examplesOf(deps.store, row, wanted) }, 200)
  })
}

const addDecisions = (app: Api, deps: ApiDeps): void => {
  const { store, now, rollout, refreshRoutes } = deps
  const decision = (note?: string) => ({ by: 'admin', now: now(), rollout, note })

  app.openapi(approveRoute, async (context) => {
    const row = await readInternalization(deps.store, context.req.valid('param').id)
    const { now: isForced = false, share, reason } = context.req.valid('json')
    const live = await approve(store, row, { isForced, share }, decision(reason))
    await refreshRoutes()
    return context.json(internalizationSummary(live), 200)
  })

  app.openapi(rollbackRoute, async (context) => {
    const row = await readInternalization(deps.store, context.req.valid('param').id)
    const { reason, keepPreviousRetired } = context.req.valid('json')
    const wanted = { reason: saidBy(reason), keepPreviousRetired }
    const { ended, restored } = await takeBack(store, row, wanted, decision())
    await refreshRoutes()
    return context.json(
      {
        ended: internalizationSummary(ended),
        restored: restored && internalizationSummary(restored),
      },
      200
    )
  })
}

export const addInternalizationRoutes = (app: Api, deps: ApiDeps): void => {
  addReading(app, deps)
  addDecisions(app, deps)
}
