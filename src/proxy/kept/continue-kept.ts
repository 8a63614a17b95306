/**
 * A request that continues a kept response: the upstream does not know it, so it gets the conversation in its
 * place. Every other id is the upstream's matter, and its request keeps its bytes.
 */
import { AppError } from '../../errors.ts'
import { RESPONSES } from '../../openai/dialect.ts'
import { continued, previousIdIn } from '../../openai/responses/continue.ts'
import type { ChatDeps } from '../deps.ts'
import type { Whole } from '../receive.ts'
import { recordIdOf } from './keep.ts'

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
 * @returns the request itself when it continues no kept response of its tenant
 * @throws AppError `body-too-large`, `overloaded`, or of the store
 */
export const withConversation = async (deps: ChatDeps, whole: Whole): Promise<Whole> => {
  const { keptResponses, tenants, bodies, limits } = deps
  const { dialect, incoming, client, body } = whole
  if (keptResponses === null || dialect !== RESPONSES || !body.includes(NAMES_ONE)) return whole
  const id = recordIdOf(previousIdIn(body) ?? '')
  const kept = id === null ? null : await keptResponses.get(id, tenants.identify(incoming).tenant)
  const longer = kept && continued(body, kept)
  if (longer === null) return whole
  if (longer.length > limits.maxBodyBytes) throw tooLong(limits.maxBodyBytes)
  const added = Math.max(0, longer.length - body.length)
  if (!bodies.take(added)) throw noRoom()
  client.onOver(() => bodies.give(added))
  return { ...whole, body: longer }
}
