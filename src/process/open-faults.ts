/** Fault logs: the server's writes to its log and its metrics, a worker's to its log. */
import type { Registry } from 'prom-client'
import {
  createFaultLog,
  noFaults,
  SERVER_FAULTS,
  WORKER_FAULTS,
  type ReportFault,
  type ServerFault,
  type WorkerFault,
} from '../fault-log.ts'
import type { Logger } from './logger.ts'
import { createTally } from '../proxy/metrics/tally.ts'
import type { OnChildFault } from './supervise.ts'

/** Faults that clients cause; an operator need not act on them. */
const WARNINGS = new Set<ServerFault>(['unreadable-request'])

/** A clock that cannot be set back. */
const now = (): number => performance.now()

export const openServerFaults = (
  logger: Pick<Logger, 'error' | 'warn'>,
  registry: Registry
): ReportFault<ServerFault> =>
  createFaultLog({
    counts: createTally(
      registry,
      { name: 'promptintern_faults_total', help: 'Faults by kind', label: 'kind' },
      SERVER_FAULTS
    ),
    write: (line) => logger[WARNINGS.has(line.kind) ? 'warn' : 'error'](line, 'fault'),
    now,
  })

/** A worker has no metrics; its log lines contain the counts. */
export const openWorkerFaults = (logger: Pick<Logger, 'error'>): ReportFault<WorkerFault> =>
  createFaultLog({
    counts: noFaults(WORKER_FAULTS),
    write: (line) => logger.error({ part: 'worker', ...line }, 'fault'),
    now,
  })

/** Reports the faults of a child process under one kind. */
export const childFault =
  <Kind extends string>(fault: ReportFault<Kind>, kind: Kind): OnChildFault =>
  (error, data) =>
    fault(kind, error, { ...data })
