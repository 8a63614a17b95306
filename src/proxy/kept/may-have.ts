/**
 * Whether a caller may have a kept response. It was the answer to a caller whom the upstream of its model accepted,
 * and it is given to one whom that upstream accepts now.
 */
import type { IncomingMessage } from 'node:http'
import type { KeptResponse } from '../../core/log/kept-response.ts'
import { AppError } from '../../errors.ts'
import { modelIn } from '../../openai/responses/continue.ts'
import { acceptanceOf } from '../access/tenants.ts'
import type { StepDeps } from '../deps.ts'
import type { Confirmation } from '../upstream/confirm.ts'

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
