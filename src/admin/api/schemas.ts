/** The shapes of the admin API's requests and responses, as types and as OpenAPI descriptions. */
import { z } from '@hono/zod-openapi'
import type { ProofFile } from '../../core/proof/proof-file.ts'
import {
  MAX_NOTE_CHARS,
  type InternalizationPlan,
} from '../../core/internalization/internalization.ts'
import type { Bought, RouteOutcome } from '../../core/log/record.ts'
import { MAX_LABEL_CHARS, type Template } from '../../core/template/template.ts'
import type { Verdict } from '../../core/gate/gate.ts'
import type { Usage } from '../../openai/chat.ts'
import {
  borderSchema,
  coverageChangeSchema,
  coverageStepSchema,
  withheldSchema,
  evidenceSchema,
  feedbackCountsSchema,
  rolloutSchema,
  stageSchema,
} from './rollout-schemas.ts'
import { cacheSchema, economicsSchema, statsSchema } from './economics-schemas.ts'
import { fieldRuleSchema } from './field-schemas.ts'
import { earlySchema, judgeSchema } from './judge-schemas.ts'
import { flag, number, numberOrNull, text, textOrNull, time } from './described.ts'

/** An object of the domain as it is stored. OpenAPI describes it in words, not field by field. */
const stored = <T>(description: string) =>
  z.custom<T>().openapi({ type: 'object', description, additionalProperties: true })

const maybe = z.string().optional()

const stateSchema = z
  .discriminatedUnion('name', [
    z.object({
      name: z.literal('candidate'),
      successor: z
        .object({
          of: z.string(),
          why: z.enum(['rolled-back', 'drifted', 'new-traffic']),
          since: time.describe('only exchanges from then on train it and judge it'),
        })
        .optional()
        .describe(
          'the internalization that it follows; its training starts from the lora of that one'
        ),
      retry: z
        .object({
          of: z.string(),
          since: time
            .optional()
            .describe('after a change of the upstream: only exchanges from then on'),
        })
        .optional()
        .describe('a rejected one that is tried again with as much new traffic'),
    }),
    z.object({ name: z.literal('training'), arm: z.number(), stage: z.number() }),
    z.object({ name: z.literal('evaluating') }),
    z.object({ name: z.literal('approval') }),
    z.object({
      name: z.literal('live'),
      stage: stageSchema.describe('of the rollout'),
      evidence: evidenceSchema.optional().describe('when the stage began; absent in the first one'),
      border: borderSchema.optional().describe('absent: that of the proof'),
      withheld: z
        .array(withheldSchema)
        .optional()
        .describe(
          'answers that it no longer gives, kinds of requests that it no longer answers; absent: none'
        ),
      coverage: coverageChangeSchema
        .optional()
        .describe('absent where neither border nor withheld answers changed'),
    }),
    z.object({
      name: z.literal('retired'),
      reason: z.string(),
      evidence: evidenceSchema
        .optional()
        .describe('of a rollback by evidence, after which it cannot go live again'),
    }),
    z.object({
      name: z.literal('rejected'),
      reason: z.string(),
      isUntrained: z
        .literal(true)
        .optional()
        .describe('the reason was found before training: tried again with twice as much traffic'),
      unconsented: maybe.describe("type of answers that the upstream's terms keep from training"),
    }),
    z.object({ name: z.literal('failed'), cause: z.string() }),
  ])
  .openapi('InternalizationState')

export const internalizationSummarySchema = z
  .object({
    id: z.string(),
    tenant: z.string(),
    templateVersion: z.string(),
    state: stateSchema,
    createdAt: time,
    updatedAt: time,
    result: z
      .object({
        verdict: z.enum(['promote', 'reject']),
        reason: z.string(),
        agreement: number(
          'share of all answerable held-out rows that agrees, answered or not, 0 to 1'
        ),
        coverage: number('share of the held-out traffic that the lora would answer, 0 to 1'),
        agreementAnswered: number('share of the answered rows that agrees, 0 to 1'),
        agreementAnsweredBound: number('one-sided lower bound of `agreementAnswered`, 0 to 1'),
        slices: z
          .array(
            z.object({
              slice: text("'turn 1', 'plan=pro'"),
              rows: number('answered rows'),
              agreement: z.number(),
              lowerBound: number('one-sided, 95 %'),
              upstreamAgreement: number('agreement of the upstream with itself'),
              pValue: number(
                'of the hypothesis that the loss is at most ten points, Holm-adjusted'
              ),
              holds: z.boolean(),
            })
          )
          .describe('parts of the traffic with at least 50 answered rows'),
      })
      .nullable()
      .describe('figures of the winning arm; null before evaluation'),
  })
  .openapi('InternalizationSummary')

export const templateFiguresSchema = z
  .object({
    version: z.string(),
    label: textOrNull('name that a person gave'),
    name: text('the label, or what the prompt tells the model to be'),
    tenant: z.string(),
    model: z.string(),
    stats: statsSchema,
    economics: economicsSchema,
    state: textOrNull('of the newest internalization; null: there is none'),
    liveInternalizationId: z.string().nullable(),
  })
  .openapi('TemplateFigures', { description: 'What ADMIN_READ_TOKEN reads of a template' })

export const templateSummarySchema = templateFiguresSchema
  .extend({
    anchors: z.object({
      count: z.number(),
      chars: z.number(),
      preview: text('the longest anchor, shortened'),
    }),
    slots: z.array(
      z.object({
        name: z.string(),
        type: z.enum(['enum', 'short']),
        values: z.array(z.string()).optional(),
        kept: flag('false: the answer does not depend on it, so it is dropped'),
      })
    ),
    removed: z
      .array(
        z.object({
          name: text("of the slot or the examples; '' of constant text"),
          holds: z
            .enum(['constant', 'examples', 'shapes'])
            .describe('equal text, known examples, or values of a known shape'),
          count: number('characters, known examples, or shapes'),
          seen: z.array(z.string()).describe('some of what was seen there, shortened'),
        })
      )
      .describe('text that is removed unread; a request with any other text there does not match'),
    caller: maybe.describe('id of the only issued key whose requests match; absent: any'),
    movedFrom: maybe.describe('version that a person has moved to this model'),
    maxTurnsAfter: z.number(),
    cache: cacheSchema.nullable().describe('null: not read yet, or too few requests lately'),
    internalization: internalizationSummarySchema.nullable().describe('the newest one'),
  })
  .openapi('TemplateSummary')

export const labelSchema = z.object({
  label: z.string().trim().min(1).max(MAX_LABEL_CHARS).nullable().describe('null removes it'),
})

export const templateSchema = templateSummarySchema
  .extend({
    fields: z.array(fieldRuleSchema).describe('rules for fields of the answers, by path'),
    tools: z.string(),
    responseFormat: z.string(),
    messages: stored<Template['messages']>('role and segments of each message').openapi({
      type: 'array',
      items: { type: 'object' },
    }),
  })
  .openapi('Template')

const historySchema = z
  .object({
    at: time,
    from: stateSchema.nullable(),
    to: stateSchema,
    by: text('worker, admin or cli'),
    note: textOrNull('why, by the person who decided'),
  })
  .openapi('HistoryEntry')

export const internalizationSchema = internalizationSummarySchema
  .extend({
    revision: z.number(),
    plan: stored<InternalizationPlan>(
      'schedule, rows, population, kinds of requests, rules for fields (`answers.fields`), and arms with stages, ' +
        'rates and training losses'
    ).nullable(),
    holdout: z
      .object({
        from: time.describe('of its first exchange'),
        until: time.describe('of its last exchange'),
        hours: number('hours by the clock that have an exchange of it'),
      })
      .nullable()
      .describe('when the held-out traffic came; null before the plan'),
    earlierTries: numberOrNull('earlier internalizations that some of the held-out rows judged'),
    verdict: stored<Verdict>('the decision, its figures, and fields that disagree').nullable(),
    history: z.array(historySchema),
    progress: stored<Record<string, unknown>>('of the stage in training, or the judge').nullable(),
    evaluatedRows: number('held-out rows evaluated so far, over all arms'),
    rollout: rolloutSchema.nullable().describe('null until the worker has seen it live'),
    coverageSteps: z.array(coverageStepSchema).describe('oldest first; empty before it was live'),
    feedback: feedbackCountsSchema.nullable().describe('null before the verdict'),
    judge: judgeSchema.nullable().describe('null where equality decides'),
    early: earlySchema.nullable().describe('null where answers are held back'),
  })
  .openapi('Internalization')

export const recordSchema = z
  .object({
    sequence: z.number(),
    id: z.string(),
    at: time,
    tenant: z.string(),
    caller: z.string().optional().describe('id of the issued key'),
    model: z.string(),
    path: z.string(),
    streamed: z.boolean(),
    status: z.number(),
    firstByteMs: z.number().nullable(),
    durationMs: z.number(),
    templateVersion: z.string().nullable(),
    usage: stored<Usage>('as the upstream reported it; null if it did not').nullable(),
    estimatedUsage: stored<Usage>(
      'counted by a tokenizer when the upstream reported no usage; not the billed usage'
    ).nullable(),
    costUsd: numberOrNull(
      'charge of the upstream; null without usage or price, and for answers by loras'
    ),
    route: stored<RouteOutcome>('decision of the router if a live template matched').nullable(),
    request: z.string().optional(),
    response: z.string().nullable().optional(),
    bought: stored<Bought>('of a move: which record was sent again, and when').optional(),
  })
  .openapi('Record')

export const proofFileSchema = stored<ProofFile>('format 1, described in docs/evidence.md')

/** Why a person decides so, for the history. */
export const noteSchema = z.object({ reason: z.string().min(1).max(MAX_NOTE_CHARS).optional() })

export const approvalSchema = z.object({
  now: z
    .boolean()
    .optional()
    .describe(
      'true: enter the next stage without waiting for its evidence and time; the history records this'
    ),
  share: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe(
      'of the stage to enter, by default the next larger one of `ROLLOUT_STAGES`. A smaller share than the ' +
        'present one needs no evidence'
    ),
  ...noteSchema.shape,
})

export const reasonSchema = z.object({ reason: z.string().min(1).max(1000).optional() })

export const forgetRequestSchema = z
  .object({
    recordIds: z.array(z.string()).min(1).max(1000).optional(),
    tenant: z.string().min(1).optional().describe('tenant of records and templates'),
    user: z
      .string()
      .min(1)
      .optional()
      .describe('`user`, `safety_identifier` or `metadata.user_id` of the request as logged'),
    retire: z
      .boolean()
      .default(false)
      .describe('also retire the routes of the loras trained on the records, and delete the loras'),
    dryRun: z.boolean().default(false).describe('report only; nothing is deleted'),
  })
  .openapi('ForgetRequest', { description: 'Selects the records that match every given field' })

export const forgetReportSchema = z
  .object({
    dryRun: z.boolean(),
    records: z.number(),
    bodies: numberOrNull('null in a dry run'),
    learned: z
      .array(
        z.object({
          id: text('id of the internalization'),
          templateVersion: z.string(),
          state: text('state after the request'),
          trained: number('number of the records that are training rows of it'),
          heldOut: number('number of the records that are held-out rows of it'),
          loras: z.array(z.string()),
        })
      )
      .describe('internalizations that used the records'),
    task: textOrNull('id of the work left for the worker; null if there is none'),
  })
  .openapi('ForgetReport')

const errorSchema = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string(),
    }),
  })
  .openapi('Error')

export const listOf = <T extends z.ZodType>(item: T) => z.object({ data: z.array(item) })

const json = <T extends z.ZodType>(schema: T) => ({ content: { 'application/json': { schema } } })

/** The body that a request must have. */
export const jsonBody = <T extends z.ZodType>(schema: T) => ({ required: true, ...json(schema) })

/** The body that a request may have. */
export const optionalBody = <T extends z.ZodType>(schema: T) => ({
  ...jsonBody(schema),
  required: false,
})

/** The responses of an operation: success, and errors in OpenAI's format. */
export const responses = <S extends 200 | 201, T extends z.ZodType>(
  status: S,
  schema: T,
  description: string
) =>
  ({
    [status]: { description, ...json(schema) },
    '4XX': {
      description: 'The request was refused; `error.message` gives the reason',
      ...json(errorSchema),
    },
  }) as Record<S, { description: string; content: { 'application/json': { schema: T } } }>
