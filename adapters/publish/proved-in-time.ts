/** A request's wait for a lora that is being published or proved, which goes on behind it. */
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../../src/errors.ts'

const WAIT_MS = 10_000

/**
 * Whatever hangs at a server, a request holds one of the engine's places no longer than this, or than its
 * client waits.
 * @throws AppError `engine-unavailable` after ten seconds, `client-closed`, and what the proof throws
 */
export const provedInTime = async <Proof extends object | string>(
  lora: string,
  proof: Promise<Proof>,
  signal?: AbortSignal
): Promise<Proof> => {
  const done = new AbortController()
  const ends = AbortSignal.any([done.signal, ...(signal ? [signal] : [])])
  const waited = delay(WAIT_MS, null, { signal: ends, ref: false }).catch(() => null)
  try {
    const proved = await Promise.race([proof, waited])
    if (proved !== null) return proved
  } finally {
    done.abort()
  }
  if (signal?.aborted) throw new AppError('client-closed', 'the request was aborted by its client')
  throw new AppError('engine-unavailable', `${lora} is being published; try later`)
}
