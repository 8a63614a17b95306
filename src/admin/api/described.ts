/** Members of the API's shapes with what its description says of them. */
import { z } from '@hono/zod-openapi'

export const number = (is: string) => z.number().describe(is)
export const numberOrNull = (is: string) => z.number().nullable().describe(is)
export const text = (is: string) => z.string().describe(is)
export const textOrNull = (is: string) => z.string().nullable().describe(is)
export const flag = (is: string) => z.boolean().describe(is)

export const time = number('milliseconds since the epoch')
