/** OpenAI's cursor pagination over a list in memory. */
import { invalidRequest } from './invalid-request.ts'

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
