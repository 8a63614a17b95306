/** Which answers are kept, and under which ids; and how long a request waits for the store that has them. */
import { withoutCredentials } from '../../core/request/body-credentials.ts'
import type { KeptResponse, KeptResponses } from '../../core/log/kept-response.ts'
import type { ChatRequest } from '../../openai/chat.ts'
import { inTime, type SetTimer } from '../../timers.ts'
import type { IncomingMessage } from 'node:http'
import { AppError } from '../../errors.ts'
import { modelIn } from '../../openai/responses/continue.ts'
import { acceptanceOf } from '../access/tenants.ts'
import type { StepDeps } from '../deps.ts'
import type { Confirmation } from '../upstream/confirm.ts'

/**
 * Whether a caller may have a kept response. It was the answer to a caller whom the upstream of its model accepted,
 * and it is given to one whom that upstream accepts now.
 */
const REFUSALS: Record<Exclude<Confirmation, 'accepted'>, () => AppError> = {
  refused: () => new AppError('invalid-api-key', 'the upstream does not accept these credentials'),
  unknown: () =>
    new AppError(
      'forbidden',
      'the proxy cannot check whether the upstream accepts these credentials: ' +
        'send any completion with them, then try again'
    ),
  away: () =>
    new AppError('upstream-unavailable', 'the upstream could not be asked about these credentials'),
}

export type AcceptanceDeps = Pick<StepDeps, 'tenants' | 'upstreams'>

/**
 * Asks the upstream where it has not accepted the credentials within the last hour.
 * @throws AppError `invalid-api-key`, `forbidden` or `upstream-unavailable` for a caller who may not have it
 */
export const requireAccepted = async (
  { tenants, upstreams }: AcceptanceDeps,
  incoming: IncomingMessage,
  { tenant, request }: KeptResponse
): Promise<void> => {
  const model = modelIn(Buffer.from(request)) ?? ''
  if (tenants.accepted(acceptanceOf(tenant, upstreams.nameFor(model)), model)) return
  const confirmed = await upstreams.confirm(incoming, model)
  if (confirmed !== 'accepted') throw REFUSALS[confirmed]()
}

/** A database that stalls must not hold up the answer, which the upstream can give. */
const STORE_MS = 2_000

/** Whether the caller may ask for the answer again. */
export const mustKeep = (request: ChatRequest): boolean => request['responses.store'] !== undefined

/** What is not logged is not kept either. */
export const canKeep = (
  { keptResponses }: { keptResponses: KeptResponses | null },
  { isCaptured }: { isCaptured: boolean }
): boolean => keptResponses !== null && isCaptured

const storable = (text: Buffer): string => withoutCredentials(text).toString()

/** An exchange whose answer is kept. */
interface Keepable extends Pick<KeptResponse, 'id' | 'tenant' | 'at'> {
  /** of its request */
  body: Buffer
}

/** Without the credentials in both bodies. @param response body of the answer */
export const keptOf = ({ id, tenant, at, body }: Keepable, response: string): KeptResponse => ({
  id,
  tenant,
  at: Math.floor(at),
  request: storable(body),
  response: storable(Buffer.from(response)),
})

/** Every method rejects with `store-unavailable` where the store does not answer within two seconds. */
export const keptInTime = (responses: KeptResponses, setTimer: SetTimer): KeptResponses => {
  const limit = { limitMs: STORE_MS, setTimer }
  return {
    put: (kept) => inTime(responses.put(kept), limit),
    get: (id, tenant) => inTime(responses.get(id, tenant), limit),
    remove: (id, tenant) => inTime(responses.remove(id, tenant), limit),
  }
}
