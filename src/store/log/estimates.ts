/**
 * Estimates the usage of records when they are read, so records that are never read cost nothing and
 * the tokenizer is not loaded where every provider counts. 8 KB take 2 to 4 ms, the tokenizer takes
 * 60 MB. Reasons: docs/decisions.md#estimated-usage.
 */
import { setImmediate as nextTick } from 'node:timers/promises'
import { estimateUsage, type CountTokens } from '../../core/log/estimate-usage.ts'
import type { StoredRecord } from '../../core/log/record.ts'

/** words whose tokens are cached; the default of 100,000 may take tens of megabytes */
const CACHED_WORDS = 10_000

/** Takes 60 MB, once a process. */
export const loadTokenizer = async (): Promise<CountTokens> => {
  const { countTokens, setMergeCacheSize } = await import('gpt-tokenizer/encoding/o200k_base')
  setMergeCacheSize(CACHED_WORDS)
  // a control token in a message is plain text
  const options = { disallowedSpecial: new Set<string>() }
  return (text) => countTokens(text, options)
}

/** Whether the usage can be estimated. */
const lacksUsage = ({ usage, response }: { usage: unknown; response: unknown }): boolean =>
  usage === null && response !== null

export type Estimator = (records: StoredRecord[]) => Promise<StoredRecord[]>

/** @returns adds `estimatedUsage` to records without usage, in a tick of its own for each */
export const createEstimator = (): Estimator => {
  let tokenizer: Promise<CountTokens> | null = null
  const estimated = async (record: StoredRecord): Promise<StoredRecord> => {
    if (!lacksUsage(record)) return record
    await nextTick()
    const count = await (tokenizer ??= loadTokenizer())
    return { ...record, estimatedUsage: estimateUsage(record, count) }
  }
  return async (records) => {
    const result: StoredRecord[] = []
    for (const record of records) result.push(await estimated(record))
    return result
  }
}
