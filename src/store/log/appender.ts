/** The append path of a store: batches of exchanges become records, are written in groups, and are counted. */
import { readBatch } from '../../core/log/exchange-batch.ts'
import type { RedactOptions, Redactor } from '../../core/log/redact.ts'
import { addUsage, noUsage } from '../../core/log/usage-totals.ts'
import type { RecordStore } from '../store.ts'
import { Batcher } from './batcher.ts'
import { exchangeWriter, type RecordBytes } from './record-bytes.ts'

export interface Appender extends Pick<RecordStore, 'append' | 'usageTotals'> {
  /** Resolves when nothing waits any more. */
  flush(): Promise<void>
}

/** What of an exchange is stored. */
export interface CaptureOptions {
  /** of a request and of a decoded answer; a larger one is left out of its record */
  maxBodyBytes?: number
  /** replaces secrets in bodies and comments before they are written; null: off */
  redact?: RedactOptions | null
}

const DEFAULT_MAX_BODY_BYTES = 4 * 2 ** 20

/**
 * @param write stores records in one transaction and returns those that were not in the log
 * @param redact of the bodies; null: nothing is replaced
 */
export const createAppender = (
  write: (records: RecordBytes[]) => Promise<RecordBytes[]>,
  { maxBodyBytes = DEFAULT_MAX_BODY_BYTES }: Pick<CaptureOptions, 'maxBodyBytes'>,
  redact: Redactor | null
): Appender => {
  const totals = noUsage()
  const batcher = new Batcher(
    exchangeWriter(write, {
      maxBytes: maxBodyBytes,
      redact,
      onWritten: (records) => {
        for (const record of records) addUsage(totals, record)
      },
    })
  )
  return {
    append: (batch) => batcher.add(readBatch(batch)),
    usageTotals: () => Promise.resolve(structuredClone(totals)),
    flush: () => batcher.flush(),
  }
}
