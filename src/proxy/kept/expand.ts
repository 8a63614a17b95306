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
  KeptItems,
  MAX_REFERENCES,
  ownItemsIn,
  withItems,
  type ItemList,
} from '../../openai/responses/own-items.ts'
import type { Received } from '../client/receive.ts'
import type { StepDeps } from '../deps.ts'
import { requireAccepted, type AcceptanceDeps } from './keep.ts'

const NAMES_ONE = Buffer.from(ID_END)

/** In memory, at most. */
const BYTES_PER_CHARACTER = 2

const tooLong = (maxBytes: number): AppError =>
  new AppError(
    'body-too-large',
    `the request is over the limit of ${maxBytes} bytes with the conversation that it continues`
  )

const tooMany = (): AppError =>
  new AppError('invalid-request', `the input refers to more than ${MAX_REFERENCES} items`, {
    param: 'input',
  })

const noRoom = (): AppError =>
  new AppError('overloaded', 'there is no room for the conversation; try again soon', {
    retryAfterSeconds: 1,
  })

/** A received completion with the answers of ours in the places of their ids. */
export interface Expanded {
  readonly received: Received
  /** the received one where it names nothing of ours */
  readonly body: Buffer
  /** of a kept response that it continues, in whose place the body has the conversation */
  readonly previousId: string | null
  /** whether the received body had the id of an answer of ours */
  readonly hasOwnItems: boolean
}

type ExpandDeps = AcceptanceDeps & Pick<StepDeps, 'keptResponses' | 'bodies' | 'limits'>

/** A request whose ids are expanded, and where its items are. */
interface Expandable {
  received: Received
  list: ItemList
  /** whether the upstream of its model answers it, and not always the standard one */
  isCompletion: boolean
}

/**
 * Whether the upstream that accepted the caller of a kept response judges the caller's credentials again, because
 * it answers the request that names it.
 */
const isJudgedAgain = (
  { upstreams }: ExpandDeps,
  { received: { body }, isCompletion }: Expandable,
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

interface Found {
  kept: KeptResponse
  items: KeptItems
}

type Finder = ReturnType<typeof createFinder>

/** Finds kept responses that the caller may have, for one request. */
const createFinder = (deps: ExpandDeps, asked: Expandable) => {
  const { keptResponses, tenants, bodies } = deps
  const { incoming, client } = asked.received
  const known = new Map<string, Found | null>()
  /** models whose upstream has accepted the caller */
  const accepted = new Set<string>()
  /** bytes of the budget that they hold */
  let held = 0
  const read = async (record: string): Promise<Found | null> => {
    const { tenant } = tenants.identify(incoming)
    const kept = keptResponses === null ? null : await keptResponses.get(record, tenant)
    if (kept === null || client.isOver) return null
    const bytes = BYTES_PER_CHARACTER * (kept.request.length + kept.response.length)
    if (!bodies.take(bytes)) throw noRoom()
    held += bytes
    const model = modelIn(Buffer.from(kept.request)) ?? ''
    if (!accepted.has(model) && !isJudgedAgain(deps, asked, kept)) {
      await requireAccepted(deps, incoming, kept)
      accepted.add(model)
    }
    return { kept, items: new KeptItems(kept) }
  }
  return {
    /** Asks the store once for each. @returns null also when the client has left @throws AppError */
    find: async (record: string): Promise<Found | null> => {
      const before = known.get(record)
      if (before !== undefined) return before
      if (client.isOver) return null
      const found = await read(record)
      known.set(record, found)
      return found
    },
    /** Gives the memory back. */
    release: (): void => {
      bodies.give(held)
      held = 0
    },
  }
}

/**
 * With the items themselves. As it is where one is not kept: the upstream refuses the request.
 * @throws AppError `body-too-large` before they are put together
 */
const withOwnItems = async (
  { limits: { maxBodyBytes } }: ExpandDeps,
  { received: { body }, list }: Expandable,
  finder: Finder
): Promise<Buffer> => {
  const own = ownItemsIn(body, list)
  if (own === null) return body
  if (own.references.length > MAX_REFERENCES) throw tooMany()
  const texts: string[] = []
  let bytes = body.length
  for (const { id, from, to } of own.references) {
    const found = await finder.find(id.record)
    const text = found?.items.textOf(id) ?? null
    if (text === null) return body
    bytes += Buffer.byteLength(text) - (to - from)
    if (bytes > maxBodyBytes) throw tooLong(maxBodyBytes)
    texts.push(text)
  }
  return withItems(body, own, texts)
}

/** With the conversation that it continues. */
const withConversation = async (body: Buffer, finder: Finder): Promise<Buffer> => {
  const id = readOwnId(previousIdIn(body) ?? '')
  const found = id?.prefix === 'resp' ? await finder.find(id.record) : null
  return (found && continued(body, found.kept)) ?? body
}

/**
 * @returns the body itself where none of its ids is kept
 * @throws AppError `body-too-large`, `overloaded`, `invalid-request`, as `requireAccepted`, or of the store
 */
const expandedBody = async (
  deps: ExpandDeps,
  asked: Expandable
): Promise<Buffer | 'client-left'> => {
  const { bodies, limits } = deps
  const { body, client } = asked.received
  const finder = createFinder(deps, asked)
  try {
    const longer = await withConversation(await withOwnItems(deps, asked, finder), finder)
    if (client.isOver) return 'client-left'
    if (longer === body) return body
    if (longer.length > limits.maxBodyBytes) throw tooLong(limits.maxBodyBytes)
    const added = Math.max(0, longer.length - body.length)
    if (!bodies.take(added)) throw noRoom()
    client.onOver(() => bodies.give(added))
    return longer
  } finally {
    finder.release()
  }
}

/** Of a request that names nothing of ours. */
const unchanged = (received: Received): Expanded => ({
  received,
  body: received.body,
  previousId: null,
  hasOwnItems: false,
})

const expandCompletion = async (
  deps: ExpandDeps,
  received: Received
): Promise<Expanded | 'client-left'> => {
  const body = await expandedBody(deps, { received, list: 'input', isCompletion: true })
  if (body === 'client-left') return body
  if (body === received.body) return unchanged(received)
  const previousId = previousIdIn(received.body)
  // one that is not kept is still in the body
  const isContinued = previousId !== previousIdIn(body)
  return { received, body, previousId: isContinued ? previousId : null, hasOwnItems: true }
}

export type Expander = ReturnType<typeof createExpander>

/** Both methods reject with an AppError as `expandedBody`. */
export const createExpander = (deps: ExpandDeps) => ({
  /** The second step of a completion. @returns a promise only where the request names something of ours */
  expand: (received: Received): Expanded | Promise<Expanded | 'client-left'> =>
    received.dialect === RESPONSES && received.body.includes(NAMES_ONE)
      ? expandCompletion(deps, received)
      : unchanged(received),
  /** The body of any other request that takes items. @param list the member with the items */
  expandItems: async (received: Received, list: ItemList): Promise<Buffer | 'client-left'> =>
    received.body.includes(NAMES_ONE)
      ? expandedBody(deps, { received, list, isCompletion: false })
      : received.body,
})
