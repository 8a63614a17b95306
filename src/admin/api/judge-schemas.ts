/** The shape of what vouches for a judged internalization. */
import { z } from '@hono/zod-openapi'
import { FAULTS } from '../../core/judge/planted-faults.ts'

const usd = z.number().describe('US dollars')

const admissionSchema = z.object({
  judge: z.object({
    model: z.string(),
    version: z.string().describe('`model` of its answers'),
    rubric: z.string(),
    rubricDigest: z.string(),
  }),
  isAdmitted: z.boolean(),
  reason: z.string(),
  level: z.number().describe('of each statement by itself'),
  faults: z.array(
    z.object({
      fault: z.enum(FAULTS),
      planted: z.number(),
      caught: z.number(),
      bound: z.number().describe('the judge catches at least this share'),
      isWatched: z.boolean(),
    })
  ),
  falseAlarms: z.object({
    pairs: z.number().describe("of two of the upstream's answers"),
    alarms: z.number().describe('pairs that it rejects'),
    upperBound: z.number().describe('it rejects at most this share'),
  }),
  familyError: z
    .number()
    .describe('upper bound of the chance that any class is named as watched and is not'),
})

const peopleSchema = z.object({
  wanted: z.number().describe('answers of the sample'),
  rated: z.number().describe("with those that are equal to the upstream's, which are not bad"),
  bad: z.number().describe("the upstream's alone is right"),
  effectiveRows: z.number().describe('independent answers that the sample is worth'),
  upperBound: z.number().describe('of the share of bad answers, if all without a rating are good'),
  result: z.enum(['proved', 'not-proved', 'open']),
  level: z.number(),
})

export const judgeSchema = z
  .object({
    planned: z.object({
      model: z.string(),
      rubric: z.string(),
      rubricDigest: z.string(),
      expected: z
        .object({ requests: z.number(), usd, limitUsd: usd.describe('JUDGE_USD') })
        .describe('of the proof, when it was planned'),
    }),
    spentUsd: usd.describe('US dollars of the proof so far, without audits'),
    admission: admissionSchema.nullable().describe('null until the judge was asked to the end'),
    says: z
      .array(z.string())
      .describe(
        'the promise, a sentence for each witness; after a rejection what is known of the judge'
      ),
    people: peopleSchema.nullable().describe('null before an answer was audited'),
    audits: z
      .object({
        waitFor: z.string().nullable().describe('why they wait for the judge; null: they do not'),
        audits: z.number().describe('the newest, at most 50'),
        noSecond: z.number().describe('of which the upstream gave no second answer'),
      })
      .nullable()
      .describe('null before it was live'),
  })
  .openapi('Judge', { description: 'Who vouches for written answers' })

export const earlySchema = z.object({
  answers: z.number().describe('that were streamed before their end was known'),
  faults: z.number().describe('of these, in which a fault was found afterwards, or that broke off'),
})
