/** The items of a kept response's input, as the Responses API lists them. Pure. */
import { AppError } from '../../errors.ts'
import { isFields, type Fields } from '../fields.ts'
import { inputItemId, type ItemPrefix } from '../ids.ts'

interface Kept {
  /** of its record */
  id: string
  /** body of the request, JSON */
  request: string
}

const MAX_LIMIT = 100
const USUAL_LIMIT = 20

/** A text is one part; the assistant's parts have a type of their own. */
const partsOf = (role: unknown, content: unknown): unknown =>
  typeof content === 'string'
    ? [{ type: role === 'assistant' ? 'output_text' : 'input_text', text: content }]
    : content

const PREFIXES: Record<string, ItemPrefix> = {
  function_call: 'fc',
  function_call_output: 'fc',
  reasoning: 'rs',
}

const idOf = (item: unknown, record: string, place: number): string => {
  const prefix = isFields(item) ? PREFIXES[String(item['type'])] : undefined
  return inputItemId(prefix ?? 'msg', record, place)
}

/** An item with an id of its own, and a message with all its fields. */
const itemOf = (item: unknown, id: string): unknown => {
  if (!isFields(item) || (item['type'] ?? 'message') !== 'message')
    return isFields(item) ? { id, ...item } : item
  const { role, content, ...rest } = item
  return {
    id,
    status: 'completed',
    ...rest,
    type: 'message',
    role,
    content: partsOf(role, content),
  }
}

/** @throws AppError `invalid-request` */
const limitOf = (query: URLSearchParams): number => {
  const limit = Number(query.get('limit') ?? USUAL_LIMIT)
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit
  throw new AppError('invalid-request', `limit must be a whole number from 1 to ${MAX_LIMIT}`, {
    param: 'limit',
  })
}

/**
 * @param query `limit`, `order` (default `desc`) and `after`, the id of an item
 * @throws AppError `invalid-request`
 */
export const inputItems = ({ id, request }: Kept, query: URLSearchParams): Fields => {
  const limit = limitOf(query)
  const { input } = JSON.parse(request) as Fields
  const given: unknown[] = typeof input === 'string' ? [{ role: 'user', content: input }] : []
  const list = Array.isArray(input) ? (input as unknown[]) : given
  const items = list.map((item, place) => itemOf(item, idOf(item, id, place))) as Fields[]
  const ordered = query.get('order') === 'asc' ? items : items.toReversed()
  const after = query.get('after')
  // behind an id that is not there is nothing
  const begin = after === null ? 0 : ordered.findIndex((item) => item['id'] === after) + 1
  const rest = after !== null && begin === 0 ? [] : ordered.slice(begin)
  const data = rest.slice(0, limit)
  return {
    object: 'list',
    data,
    first_id: data[0]?.['id'] ?? null,
    last_id: data.at(-1)?.['id'] ?? null,
    has_more: rest.length > limit,
  }
}
