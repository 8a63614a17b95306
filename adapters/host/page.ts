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

/** @throws AppError `invalid-request` */
export const pageQuery = (c: Context): PageQuery => parseWith(schema, c.req.query())

export const listBody = <Item extends { id: string }>({ data, hasMore }: Page<Item>) => ({
  object: 'list',
  data,
  has_more: hasMore,
  first_id: data[0]?.id ?? null,
  last_id: data.at(-1)?.id ?? null,
})

export interface Page<Item> {
  data: Item[]
  hasMore: boolean
}

export interface PageQuery {
  /** id of the item before the page */
  after?: string
  limit: number
}

/** @throws AppError `invalid-request` when `after` is not in the list */
export const page = <Item extends { id: string }>(items: Item[], query: PageQuery): Page<Item> => {
  let start = 0
  if (query.after !== undefined) {
    start = items.findIndex((item) => item.id === query.after) + 1
    if (start === 0) throw invalidRequest(`after: this list has no item ${query.after}`, 'after')
  }
  const data = items.slice(start, start + query.limit)
  return { data, hasMore: start + data.length < items.length }
}
