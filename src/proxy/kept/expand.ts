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
import type { ChatDeps } from '../deps.ts'
import type { Whole } from '../receive.ts'
import { requireAccepted } from './may-have.ts'

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

interface Found {
  kept: KeptResponse
  items: KeptItems
}

/** Finds kept responses that the caller may have, for one request. */
class Finder {
  private readonly deps: ChatDeps
  private readonly asked: Expandable
  private readonly known = new Map<string, Found | null>()
  /** models whose upstream has accepted the caller */
  private readonly accepted = new Set<string>()
  /** bytes of the budget that they hold */
  private taken = 0

  constructor(deps: ChatDeps, asked: Expandable) {
    this.deps = deps
    this.asked = asked
  }

  /** Asks the store once for each. @returns null also when the client has left @throws AppError */
  async find(record: string): Promise<Found | null> {
    const before = this.known.get(record)
    if (before !== undefined) return before
    if (this.asked.client.isOver) return null
    const found = await this.read(record)
    this.known.set(record, found)
    return found
  }

  /** Gives the memory back. */
  release(): void {
    this.deps.bodies.give(this.taken)
    this.taken = 0
  }

  private async read(record: string): Promise<Found | null> {
    const { keptResponses, tenants } = this.deps
    const { tenant } = tenants.identify(this.asked.incoming)
    const kept = keptResponses === null ? null : await keptResponses.get(record, tenant)
    if (kept === null || this.asked.client.isOver) return null
    const bytes = BYTES_PER_CHARACTER * (kept.request.length + kept.response.length)
    if (!this.deps.bodies.take(bytes)) throw noRoom()
    this.taken += bytes
    await this.requireAccepted(kept)
    return { kept, items: new KeptItems(kept) }
  }

  private async requireAccepted(kept: KeptResponse): Promise<void> {
    const model = modelIn(Buffer.from(kept.request)) ?? ''
    if (this.accepted.has(model) || isJudgedAgain(this.deps, this.asked, kept)) return
    await requireAccepted(this.deps, this.asked.incoming, kept)
    this.accepted.add(model)
  }
}

/**
 * With the items themselves. As it is where one is not kept: the upstream refuses the request.
 * @throws AppError `body-too-large` before they are put together
 */
const withOwnItems = async (
  { limits: { maxBodyBytes } }: ChatDeps,
  { body, list }: Expandable,
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
 * @returns the body itself where it names nothing of ours
 * @throws AppError `body-too-large`, `overloaded`, `invalid-request`, as `requireAccepted`, or of the store
 */
export const expanded = async (
  deps: ChatDeps,
  asked: Expandable
): Promise<Buffer | 'client-left'> => {
  const { bodies, limits } = deps
  const { body, client } = asked
  if (!body.includes(NAMES_ONE)) return body
  const finder = new Finder(deps, asked)
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

/**
 * @returns the request itself when it names nothing of ours
 * @throws AppError as `expanded`
 */
export const withKept = async (deps: ChatDeps, whole: Whole): Promise<Whole | 'client-left'> => {
  if (whole.dialect !== RESPONSES) return whole
  const body = await expanded(deps, { ...whole, list: 'input', isCompletion: true })
  if (body === 'client-left') return body
  if (body === whole.body) return whole
  const previousId = previousIdIn(whole.body)
  // one that is not kept is still in the body
  const isContinued = previousId !== previousIdIn(body)
  return { ...whole, body, previousId: isContinued ? previousId : null, hasOwnItems: true }
}
