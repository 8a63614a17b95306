/** A held-out request with both answers, as the admin API has it. */
import { z } from '@hono/zod-openapi'
import { flag, number, text, textOrNull } from './described.ts'

export const exampleSchema = z
  .object({
    recordId: z.string(),
    query: textOrNull('null after the record was deleted'),
    outcome: textOrNull(
      'how the upstream answered: text, tool-calls, refusal, filtered, cut-off, …'
    ),
    promptedAnswer: textOrNull('its text, from the log'),
    adaptedAnswer: text("'' if the lora was not asked"),
    deferred: textOrNull(
      'reason for which a route sends the request to the upstream at any confidence'
    ),
    foundLate: textOrNull('fault of an answer that its route streams before the fault is known'),
    agrees: flag('with the answer of today, or with the logged one where none was bought'),
    similarity: number('of the two answers, 0 to 1; a figure to look at'),
    confidence: number('natural logarithm of a probability, by the statistic of the arm'),
    isAboveThreshold: z.boolean().nullable().describe('null when no threshold passed the gate'),
    freshUpstreamAnswer: z.string().nullable(),
    fieldsApart: z
      .array(z.string())
      .describe('fields of JSON in which a given answer disagrees; at most 50'),
  })
  .openapi('Example')
