/**
 * A request that continues a kept response: the upstream does not know it, so it gets the conversation in its
 * place. Every other id is the upstream's matter, and its request keeps its bytes.
 */
import type { KeptResponse } from '../../core/log/kept-response.ts'
import { AppError } from '../../errors.ts'
import { RESPONSES } from '../../openai/dialect.ts'
import { continued, modelIn, previousIdIn } from '../../openai/responses/continue.ts'
import type { ChatDeps } from '../deps.ts'
import type { Whole } from '../receive.ts'
import { recordIdOf } from './keep.ts'
import { requireAccepted } from './may-have.ts'

const NAMES_ONE = Buffer.from(`"${RESPONSES.idPrefix}`)

const tooLong = (maxBytes: number): AppError =>
  new AppError(
    'body-too-large',
    `the request is over the limit of ${maxBytes} bytes with the conversation that it continues`
  )

const noRoom = (): AppError =>
  new AppError('overloaded', 'there is no room for the conversation; try again soon', {
    retryAfterSeconds: 1,
  })

/**
 * Whether the upstream that accepted the caller of a kept response judges the caller's credentials again, because
 * it answers the request that continues it.
 */
const isJudgedAgain = ({ upstreams }: ChatDeps, body: Buffer, { request }: KeptResponse) => {
  const models = [body, Buffer.from(request)].map((bytes) => modelIn(bytes) ?? '')
  const [next = '', before = ''] = models
  return (
    next !== '' &&
    upstreams.seesCredentials(next) &&
    upstreams.nameFor(next) === upstreams.nameFor(before)
  )
}

/**
 * @returns the request itself when it continues no kept response of its tenant
 * @throws AppError `body-too-large`, `overloaded`, as `requireAccepted`, or of the store
 */
export const withConversation = async (deps: ChatDeps, whole: Whole): Promise<Whole> => {
  const { keptResponses, tenants, bodies, limits } = deps
  const { dialect, incoming, client, body } = whole
  if (keptResponses === null || dialect !== RESPONSES || !body.includes(NAMES_ONE)) return whole
  const id = recordIdOf(previousIdIn(body) ?? '')
  const kept = id === null ? null : await keptResponses.get(id, tenants.identify(incoming).tenant)
  const longer = kept && continued(body, kept)
  if (kept === null || longer === null) return whole
  if (!isJudgedAgain(deps, body, kept)) await requireAccepted(deps, incoming, kept)
  if (longer.length > limits.maxBodyBytes) throw tooLong(limits.maxBodyBytes)
  const added = Math.max(0, longer.length - body.length)
  if (!bodies.take(added)) throw noRoom()
  client.onOver(() => bodies.give(added))
  return { ...whole, body: longer, previousId: previousIdIn(body) }
}
