/** What the shapes of views are made with. */
import { z } from '@hono/zod-openapi'
import type { Reason } from '../core/reason.ts'

/** Milliseconds since the epoch. */
export const time = z.number().describe('milliseconds since the epoch')

/** Natural logarithm of the capital of a test. */
export const capital = z.number().describe('natural logarithm of the capital of the test')

export const usd = z.number().describe('US dollars')

export const texts = z.array(z.string())

/** Why something was decided. */
export const reasonSchema = z.custom<Reason>().openapi('Reason', {
  type: 'object',
  required: ['code', 'figures'],
  properties: {
    code: { type: 'string', description: 'docs/reasons.md lists them' },
    figures: { type: 'object', description: 'of the code', additionalProperties: true },
  },
})

/** An object of the domain as it is stored. OpenAPI describes it in words, not field by field. */
export const stored = <T>(description: string) =>
  z.custom<T>().openapi({ type: 'object', description, additionalProperties: true })
