/** What the API's routes and shapes are made with. */
import { z, type OpenAPIHono } from '@hono/zod-openapi'
import type { AdminRole } from '../access/roles.ts'
import type { Connected } from '../access/token-gate.ts'

export interface ApiEnv {
  Bindings: { incoming: Connected }
  Variables: { role: AdminRole }
}

/** An app with the API's routes. */
export type Api = OpenAPIHono<ApiEnv>

export const number = (is: string) => z.number().describe(is)
export const numberOrNull = (is: string) => z.number().nullable().describe(is)
export const text = (is: string) => z.string().describe(is)
export const textOrNull = (is: string) => z.string().nullable().describe(is)
export const flag = (is: string) => z.boolean().describe(is)

export const time = number('milliseconds since the epoch')
