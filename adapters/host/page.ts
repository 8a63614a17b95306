/** OpenAI's cursor pagination over a list in memory. */
import { invalidRequest, parseWith } from './validation.ts'
import type { Context } from 'hono'
import { z } from 'zod'

const DEFAULT_LIMIT = 20
const MAX_LIMIT = 1000

const schema = z.object({
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT),
})

/**
 * The page of the items that the request asks for.
 * @throws AppError `invalid-request`, also when `after` is not in the list
 */
export const page = <Item extends { id: string }>(c: Context, items: Item[]) => {
  const { after, limit } = parseWith(schema, c.req.query())
  const start = after === undefined ? 0 : items.findIndex(({ id }) => id === after) + 1
  if (after !== undefined && start === 0)
    throw invalidRequest(`after: this list has no item ${after}`, 'after')
  const data = items.slice(start, start + limit)
  return {
    object: 'list',
    data,
    has_more: start + data.length < items.length,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  }
}
