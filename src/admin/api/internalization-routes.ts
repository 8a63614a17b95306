/** Internalizations: progress, verdict, and the decisions of a person. */
import type { Api } from './described.ts'
import { createRoute, z } from '@hono/zod-openapi'
import { checkedPath } from '../../core/answer/field-rules.ts'
import { winningLora } from '../../core/internalization/internalization.ts'
import { approve } from '../../lifecycle/approve.ts'
import { examplesOf } from '../../lifecycle/held-out-examples.ts'
import { pause, resume } from '../../lifecycle/pause.ts'
import { reject, retire } from '../../lifecycle/promote.ts'
import { readEarlyAnswers, readRolloutReport, routeSteps } from '../../lifecycle/rollout-report.ts'
import type { ApiDeps } from '../deps.ts'
import {
  readEvaluatedRows,
  readInternalization,
  readJudged,
  readProgress,
} from '../reading/read-internalization.ts'
import { exampleSchema } from './example-schema.ts'
import {
  approvalSchema,
  proofFileSchema,
  internalizationSchema,
  internalizationSummarySchema,
  listOf,
  noteSchema,
  optionalBody,
  reasonSchema,
  responses,
} from './schemas.ts'
import { internalizationSummary } from './views.ts'

const params = z.object({ id: z.string() })
const body = optionalBody(reasonSchema)

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
    'changes. With `share`, it enters the stage with that share, also from `approval`.',
  request: { params, body: optionalBody(approvalSchema) },
  responses: responses(200, internalizationSummarySchema, 'The live internalization'),
})

const noteBody = optionalBody(noteSchema)

const pauseRoute = createRoute({
  method: 'post',
  path: '/internalizations/{id}/pause',
  summary: 'Send all requests to the upstream until the route is resumed; audits continue',
  description:
    'A paused route enters no further stage. Evidence of loss still rolls it back. Repeating the request ' +
    'changes nothing.',
  request: { params, body: noteBody },
  responses: responses(200, internalizationSummarySchema, 'The live internalization'),
})

const resumeRoute = createRoute({
  method: 'post',
  path: '/internalizations/{id}/resume',
  summary: 'End a pause and restore the previous share',
  request: { params, body: noteBody },
  responses: responses(200, internalizationSummarySchema, 'The live internalization'),
})

const rejectRoute = createRoute({
  method: 'post',
  path: '/internalizations/{id}/reject',
  summary: 'Reject an internalization that is not live',
  request: { params, body },
  responses: responses(200, internalizationSummarySchema, 'The rejected internalization'),
})

const retireRoute = createRoute({
  method: 'post',
  path: '/internalizations/{id}/retire',
  summary: 'Take a live internalization out of service',
  request: { params, body },
  responses: responses(200, internalizationSummarySchema, 'The retired internalization'),
})

const addReading = (app: Api, deps: ApiDeps): void => {
  const { internalizations } = deps.store

  app.openapi(listRoute, async (context) => {
    const rows = await internalizations.list({ recordIds: false })
    return context.json({ data: rows.map(internalizationSummary) }, 200)
  })

  app.openapi(getRoute, async (context) => {
    const row = await readInternalization(deps.store, context.req.valid('param').id)
    const lora = winningLora(row)
    const history = await internalizations.history(row.id)
    const details = {
      holdout: row.plan?.holdout ?? null,
      earlierTries: row.plan?.earlierTries ?? null,
      history,
      coverageSteps: routeSteps(row, history),
      progress: await readProgress(deps.store, row),
      evaluatedRows: await readEvaluatedRows(deps.store, row),
      rollout: await readRolloutReport(deps.store, row.id),
      feedback: lora === null ? null : await deps.store.feedback.counts(lora),
      judge: await readJudged(deps.store, row),
      early: await readEarlyAnswers(deps.store, row),
    }
    return context.json({ ...row, ...internalizationSummary(row), ...details }, 200)
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

  const paused = [
    [pauseRoute, pause],
    [resumeRoute, resume],
  ] as const
  for (const [route, decide] of paused)
    app.openapi(route, async (context) => {
      const row = await readInternalization(deps.store, context.req.valid('param').id)
      const live = await decide(store, row, decision(context.req.valid('json').reason))
      await refreshRoutes()
      return context.json(internalizationSummary(live), 200)
    })

  app.openapi(rejectRoute, async (context) => {
    const row = await readInternalization(deps.store, context.req.valid('param').id)
    const reason = context.req.valid('json').reason ?? 'rejected by a person'
    const saved = await reject(store, row, reason, decision())
    return context.json(internalizationSummary(saved), 200)
  })

  app.openapi(retireRoute, async (context) => {
    const row = await readInternalization(deps.store, context.req.valid('param').id)
    const reason = context.req.valid('json').reason ?? 'retired by a person'
    const retired = await retire(store, row, reason, decision())
    await refreshRoutes()
    return context.json(internalizationSummary(retired), 200)
  })
}

export const addInternalizationRoutes = (app: Api, deps: ApiDeps): void => {
  addReading(app, deps)
  addDecisions(app, deps)
}
