/** What is known of a live route, as API, command line and page have it. */
import { z } from '@hono/zod-openapi'
import { STEP_CAUSES } from '../core/internalization/coverage-steps.ts'
import { INDICATORS } from '../core/rollout/indicators.ts'
import { PAIR_OUTCOMES } from '../core/rollout/pair.ts'
import { capital, reasonSchema, time } from './shape.ts'

const countsSchema = z.object({
  pairs: z.number().describe('conversations'),
  losses: z.number().describe('sum of their mean losses above 0'),
  credits: z.number().describe('sum of those below 0: the second answer equals that of the lora'),
})

const interval = z.tuple([z.number(), z.number()]).describe('95 % confidence sequence')
const least = z.union([z.literal(0), z.literal(-1)]).describe('least loss of a pair')

export const stageSchema = z
  .object({
    share: z.number().describe('of the matching traffic: 0 is shadow, 1 the last stage'),
    before: countsSchema.describe('pairs before it began'),
    began: time,
    isPaused: z.literal(true).optional(),
    shareBefore: z.number().optional().describe('with `isPaused`: the share that it resumes at'),
  })
  .openapi('RolloutStage')

export const evidenceSchema = countsSchema
  .extend({
    interval: interval.describe('of the loss'),
    margin: z.number().describe('the loss that is allowed'),
    proven: z.number().describe('upper bound of the loss in the proof'),
    least,
    rollback: capital.describe('against a loss within the margin'),
    drift: capital.describe('against a loss of at most `proven`'),
    step: capital.describe('since the stage began, against a loss of at least the margin'),
    stagePairs: z.number(),
    roseAt: time.nullable().describe('null: above `proven` from the beginning'),
    sinceRise: countsSchema,
  })
  .openapi('RolloutEvidence')

const sides = z.object({ lora: z.number(), audit: z.number() })

const outcomeFiguresSchema = z
  .object({
    conversations: sides.describe('rated, and over'),
    blocks: z.number().describe('of neighbouring conversations'),
    bad: sides.nullable().describe('share of bad ratings, mean over the blocks'),
    interval: interval.describe('of the difference: lora minus audit'),
    margin: z.number(),
    rollback: capital.describe('against a difference within the margin'),
    harm: capital.describe('against no difference'),
    missing: z.number().nullable().describe('conversations until one point is detected'),
    revision: z.number(),
  })
  .openapi('OutcomeTest', { description: 'What users say of the two sides of a live route' })

export const borderSchema = z
  .object({
    threshold: z.number().describe('the lora answers from this confidence on'),
    evidence: countsSchema.extend({
      answered: z.number(),
      drafts: z.number(),
      margin: z.number(),
      capital: capital.describe('against a loss of at least the margin'),
    }),
    narrowing: z
      .object({
        before: z.number().describe('answers until the loss rose'),
        rise: capital.describe('against a loss within the margin'),
        least,
      })
      .optional()
      .describe('absent where it is wider than the one before'),
  })
  .openapi('Border', { description: 'A border that pairs have proved after the proof' })

export const withheldSchema = countsSchema
  .extend({ kind: z.enum(['answer', 'request']), name: z.string(), capital })
  .openapi('WithheldPart')

export const coverageChangeSchema = z.object({
  audited: z.number(),
  before: z.number().describe('of these, answered without the change'),
  after: z.number(),
})

export const coverageStepSchema = z
  .object({
    at: time,
    cause: z.enum(STEP_CAUSES),
    threshold: z.number(),
    share: z.number(),
    coverage: z.number().nullable(),
    before: z.number().nullable().describe('coverage without the step'),
    capital: capital.nullable().describe('null: a person decided'),
    why: z.string(),
  })
  .openapi('CoverageStep', { description: 'A change of what a live route answers' })

export const rolloutSchema = z
  .object({
    at: time,
    stage: stageSchema,
    evidence: evidenceSchema,
    feedback: outcomeFiguresSchema,
    rollbackCapital: z.number(),
    stepCapital: z.number(),
    outcomes: z.record(z.enum(PAIR_OUTCOMES), z.number()).describe('audited requests'),
    border: z
      .object({
        present: z.number().describe('0: that of the proof'),
        widest: z.number(),
        coverage: z.number().nullable().describe('of the audited requests'),
        next: borderSchema.extend({ coverage: z.number() }).nullable(),
      })
      .openapi('BorderReport'),
    waiting: z.number().describe('audits without the answer of the lora yet'),
    dropped: z.number(),
    waitsFor: z.array(reasonSchema).describe('what the next stage needs beside evidence'),
    mayStep: z.boolean(),
    auditPart: z.number().describe('share of the audits that are carried out'),
    driftedAt: time.nullable(),
    drift: reasonSchema.nullable(),
    indicators: z.array(
      z.object({
        indicator: z.enum(INDICATORS),
        requests: z.number(),
        seen: z.number(),
        share: z.number().describe('in the proof'),
        bound: z.number().describe('of that share'),
        evidence: capital.describe('against a share of at most the bound'),
      })
    ),
    upstreamVersions: z.array(
      countsSchema.extend({
        name: z.string().describe('`model` and `system_fingerprint`'),
        from: time,
        to: time,
      })
    ),
    deprecatedOn: z.string().nullable(),
    isDeprecated: z.boolean(),
    spentUsdToday: z.number().describe('on the audits of all routes, since midnight UTC'),
    auditUsdPerDay: z.number().nullable(),
  })
  .openapi('Rollout', { description: 'What the worker knows of a live route' })

const thumbs = z.object({ good: z.number(), bad: z.number() })

export const feedbackCountsSchema = z
  .object({ lora: thumbs, upstream: thumbs })
  .openapi('FeedbackCounts', { description: 'What applications sent, by who answered' })
