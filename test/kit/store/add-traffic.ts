import { batchOf } from '../../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../../src/core/log/record.ts'
import type { Store } from '../../../src/store/store.ts'

/** Logs requests of a template. */
export const addTraffic = async (
  { records }: Pick<Store, 'records'>,
  added: ExchangeRecord[],
  version = 'version-1'
): Promise<void> => {
  await records.append(batchOf(added))
  await records.tagTemplate(
    added.map(({ id }) => id),
    version
  )
}
