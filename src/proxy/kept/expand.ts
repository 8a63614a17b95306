/**
 * A request that names answers of ours by their ids: the upstream does not know them, so it gets the items in their
 * place, and of a response that is continued the conversation. An id that is not kept, or of another tenant, stays
 * as it is, and the upstream's error is the answer.
 */
import type { KeptResponse } from '../../core/log/kept-response.ts'
import { AppError } from '../../errors.ts'
import { RESPONSES } from '../../openai/dialect.ts'
import { ID_END, readOwnId } from '../../openai/ids.ts'
import { continued, modelIn, previousIdIn } from '../../openai/responses/continue.ts'
import {
  itemOf,
  ownItemsIn,
  withItems,
  type ItemList,
  type Reference,
} from '../../openai/responses/own-items.ts'
import type { ChatDeps } from '../deps.ts'
import type { Whole } from '../receive.ts'
import { requireAccepted } from './may-have.ts'

const NAMES_ONE = Buffer.from(ID_END)

/** Of different responses; a conversation has one for each of its turns. */
const MAX_RESPONSES = 1_000

const tooLong = (maxBytes: number): AppError =>
  new AppError(
    'body-too-large',
    `the request is over the limit of ${maxBytes} bytes with the conversation that it continues`
  )

const tooMany = (): AppError =>
  new AppError('invalid-request', `the input refers to more than ${MAX_RESPONSES} responses`, {
    param: 'input',
  })

const noRoom = (): AppError =>
  new AppError('overloaded', 'there is no room for the conversation; try again soon', {
    retryAfterSeconds: 1,
  })

/** A body whose ids are expanded, and where its items are. */
export interface Expandable extends Pick<Whole, 'incoming' | 'client' | 'body'> {
  list: ItemList
  /** whether the upstream of its model answers it, and not always the standard one */
  isCompletion: boolean
}

/**
 * Whether the upstream that accepted the caller of a kept response judges the caller's credentials again, because
 * it answers the request that names it.
 */
const isJudgedAgain = (
  { upstreams }: ChatDeps,
  { body, isCompletion }: Expandable,
  { request }: KeptResponse
): boolean => {
  const models = [body, Buffer.from(request)].map((bytes) => modelIn(bytes) ?? '')
  const [next = '', before = ''] = models
  return (
    isCompletion &&
    next !== '' &&
    upstreams.seesCredentials(next) &&
    upstreams.nameFor(next) === upstreams.nameFor(before)
  )
}

/** Finds a kept response that the caller may have. */
type Find = (record: string) => Promise<KeptResponse | null>

/** Asks the store once for each. */
const finder = (deps: ChatDeps, asked: Expandable): Find => {
  const { keptResponses, tenants } = deps
  const known = new Map<string, KeptResponse | null>()
  return async (record) => {
    const before = known.get(record)
    if (before !== undefined) return before
    if (known.size >= MAX_RESPONSES) throw tooMany()
    const { tenant } = tenants.identify(asked.incoming)
    const kept = keptResponses === null ? null : await keptResponses.get(record, tenant)
    if (kept !== null && !isJudgedAgain(deps, asked, kept))
      await requireAccepted(deps, asked.incoming, kept)
    known.set(record, kept)
    return kept
  }
}

/** With the items themselves. @throws AppError `body-too-large` before they are put together */
const withOwnItems = async (
  { limits: { maxBodyBytes } }: ChatDeps,
  { body, list }: Expandable,
  find: Find
): Promise<Buffer> => {
  const own = ownItemsIn(body, list)
  if (own === null) return body
  const references: Reference[] = []
  const texts: string[] = []
  let bytes = body.length
  for (const reference of own.references) {
    const kept = await find(reference.id.record)
    const text = kept && itemOf(kept, reference.id)
    if (text === null) continue
    bytes += Buffer.byteLength(text) - (reference.to - reference.from)
    if (bytes > maxBodyBytes) throw tooLong(maxBodyBytes)
    references.push(reference)
    texts.push(text)
  }
  return withItems(body, { ...own, references }, texts)
}

/** With the conversation that it continues. */
const withConversation = async (body: Buffer, find: Find): Promise<Buffer> => {
  const id = readOwnId(previousIdIn(body) ?? '')
  const kept = id?.prefix === 'resp' ? await find(id.record) : null
  return (kept && continued(body, kept)) ?? body
}

/**
 * @returns the body itself where it names nothing of ours
 * @throws AppError `body-too-large`, `overloaded`, `invalid-request`, as `requireAccepted`, or of the store
 */
export const expanded = async (deps: ChatDeps, asked: Expandable): Promise<Buffer> => {
  const { bodies, limits } = deps
  const { body, client } = asked
  if (!body.includes(NAMES_ONE)) return body
  const find = finder(deps, asked)
  const longer = await withConversation(await withOwnItems(deps, asked, find), find)
  if (longer === body) return body
  if (longer.length > limits.maxBodyBytes) throw tooLong(limits.maxBodyBytes)
  const added = Math.max(0, longer.length - body.length)
  if (!bodies.take(added)) throw noRoom()
  client.onOver(() => bodies.give(added))
  return longer
}

/**
 * @returns the request itself when it names nothing of ours
 * @throws AppError as `expanded`
 */
export const withKept = async (deps: ChatDeps, whole: Whole): Promise<Whole> => {
  if (whole.dialect !== RESPONSES) return whole
  const body = await expanded(deps, { ...whole, list: 'input', isCompletion: true })
  if (body === whole.body) return whole
  const previousId = previousIdIn(whole.body)
  // one that is not kept is still in the body
  const isContinued = previousId !== previousIdIn(body)
  return { ...whole, body, previousId: isContinued ? previousId : null, hasOwnItems: true }
}
