/** OpenAI's list body and the query that asks for one. */
import type { Context } from 'hono'
import { z } from 'zod'
import type { Page, PageQuery } from './page.ts'
import { parseWith } from './validation.ts'

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
