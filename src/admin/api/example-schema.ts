/** A held-out request with both answers, as the admin API has it. */
import { z } from '@hono/zod-openapi'

export const exampleSchema = z
  .object({
    recordId: z.string(),
    query: z.string().nullable().describe('null after the record was deleted'),
    outcome: z
      .string()
      .nullable()
      .describe('how the upstream answered: text, tool-calls, refusal, filtered, cut-off, …'),
    promptedAnswer: z.string().nullable().describe('its text, from the log'),
    adaptedAnswer: z.string().describe("'' if the lora was not asked"),
    deferred: z
      .string()
      .nullable()
      .describe('reason for which a route sends the request to the upstream at any confidence'),
    foundLate: z
      .string()
      .nullable()
      .describe('fault of an answer that its route streams before the fault is known'),
    agrees: z
      .boolean()
      .describe('with the answer of today, or with the logged one where none was bought'),
    similarity: z.number().describe('of the two answers, 0 to 1; a figure to look at'),
    confidence: z
      .number()
      .describe('natural logarithm of a probability, by the statistic of the arm'),
    isAboveThreshold: z.boolean().nullable().describe('null when no threshold passed the gate'),
    freshUpstreamAnswer: z.string().nullable(),
    fieldsApart: z
      .array(z.string())
      .describe('fields of JSON in which a given answer disagrees; at most 50'),
  })
  .openapi('Example')
