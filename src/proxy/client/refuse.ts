/** The end of a request that the proxy does not answer, or not to the end. */
import { isFault, toAppError } from '../../errors.ts'
import type { ReportFault, ServerFault } from '../../fault-log.ts'
import type { ProxyMetrics } from '../metrics/metrics.ts'
import type { Client } from './client.ts'

/**
 * Tells the client why, and the operator where the client is not the cause. An answer that has begun breaks.
 * @param thrown any value
 * @param headers flat list, of the answer
 */
export const refuse = (
  { fault, metrics }: { fault: ReportFault<ServerFault>; metrics: Pick<ProxyMetrics, 'request'> },
  client: Client,
  thrown: unknown,
  headers: string[] = []
): void => {
  const error = toAppError(thrown)
  if (isFault(error)) fault('request', thrown)
  if (client.outgoing.headersSent) return client.break()
  metrics.request('refused')
  client.sendError(error, headers)
}
