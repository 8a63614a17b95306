/** The shapes of rules for fields of the answers. */
import { z } from '@hono/zod-openapi'
import { MAX_NOTE_CHARS } from '../../core/internalization/internalization.ts'

export const fieldRuleSchema = z
  .object({
    path: z
      .string()
      .describe('`order.id`, `items[].sku`, `tags`, `["a.b"].c`; `.` is the whole answer'),
    rule: z
      .discriminatedUnion('kind', [
        z.object({ kind: z.literal('free') }),
        z.object({ kind: z.literal('set') }),
        z.object({ kind: z.literal('rounded'), to: z.number().positive() }),
        z.object({ kind: z.literal('written') }),
      ])
      .describe(
        '`free`: any value; whether the field is there is compared. `set`: a list in any order. `rounded`: numbers ' +
          'agree whose nearest multiples of `to` are equal. `written`: a text that the judge compares'
      ),
    by: z.string(),
    why: z.string(),
    at: z.number().describe('milliseconds since the epoch'),
  })
  .openapi('FieldRule', { description: 'How a field of JSON answers is compared' })

/** One rule of a template. */
export const fieldRuleRequestSchema = z.object({
  path: fieldRuleSchema.shape.path,
  rule: fieldRuleSchema.shape.rule.nullable().describe('null removes the rule of the path'),
  why: z
    .string()
    .max(MAX_NOTE_CHARS)
    .default('')
    .describe('required for a rule; part of the proof file'),
})
