/** What the API's routes are made with. */
import { z, type OpenAPIHono } from '@hono/zod-openapi'
import { MAX_NOTE_CHARS } from '../../core/internalization/internalization.ts'
import type { AdminRole } from '../access/roles.ts'
import type { Connected } from '../access/token-gate.ts'

export interface ApiEnv {
  Bindings: { incoming: Connected }
  Variables: { role: AdminRole }
}

/** An app with the API's routes. */
export type Api = OpenAPIHono<ApiEnv>

/** Why a person decides so, for the history. */
export const noteSchema = z.object({ reason: z.string().min(1).max(MAX_NOTE_CHARS).optional() })

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
