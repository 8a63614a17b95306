/** The fourth step of a completion: the limits of the key that its caller presents. */
import { READ_FAULTS } from '../core/request/chat-reading.ts'
import { AppError } from '../errors.ts'
import type { Caller, Charge } from './access/limits.ts'
import type { StepDeps } from './deps.ts'
import type { ReadRequest } from './read.ts'

/** A completion that its caller may ask for. */
export interface Admitted {
  readonly read: ReadRequest
  /** counts it for its issued key; null where callers present their provider's keys */
  readonly charge: Charge | null
}

type AdmitDeps = Pick<StepDeps, 'failover'>

/**
 * With an upstreams file, refuses a body whose model cannot be read: the model decides which upstream
 * may see the credential.
 * @throws AppError `invalid-request`
 */
const requireModel = ({ failover }: AdmitDeps, { outcome }: ReadRequest): void => {
  if (failover.upstreams.length === 0) return
  if (outcome === 'too-deep' || outcome === 'too-many-values')
    throw new AppError('invalid-request', `the request cannot be routed: ${READ_FAULTS[outcome]}`)
}

const afterCharge = async (read: ReadRequest, charge: Promise<Charge>): Promise<Admitted> => ({
  read,
  charge: await charge,
})

export type Admit = ReturnType<typeof createAdmit>

/**
 * Without a caller where callers present their provider's keys. A promise comes only where a limit of the key
 * must be asked for.
 * @throws AppError as `Caller.admit`, and `invalid-request` where the upstream cannot be chosen
 */
export const createAdmit =
  (deps: AdmitDeps) =>
  (read: ReadRequest, caller: Caller | null): Admitted | Promise<Admitted> => {
    requireModel(deps, read)
    if (caller === null) return { read, charge: null }
    const { dialect, model, body } = read.exchange
    const charge = caller.admit({ dialect, model, outcome: read.outcome, body })
    return charge instanceof Promise ? afterCharge(read, charge) : { read, charge }
  }
