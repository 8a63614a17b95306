/** A template's running totals. */
import { z } from '@hono/zod-openapi'

export const statsSchema = z
  .object({
    requests: z.number(),
    answered: z.number().describe('by the adapted model'),
    fallbacks: z.number().describe('matched a live route, but the upstream answered'),
    promptTokensSaved: z.number(),
    savedUsd: z
      .number()
      .describe('as noted at each answer: its tokens at the cached-input price, nothing deducted'),
    lastSeen: z.number().describe('milliseconds since the epoch').nullable(),
  })
  .openapi('TemplateStats')
