import type { StoredRecord } from '../../core/log/record.ts'
import type { AdminDeps } from '../deps.ts'

/** What the upstream charged for a record, US dollars; null for answers of loras, and without usage or price. */
export const chargeOf = (
  { model, usage, route }: Pick<StoredRecord, 'model' | 'usage' | 'route'>,
  costUsd: AdminDeps['costUsd']
): number | null => (route?.outcome === 'answered' ? null : costUsd(model, usage))
