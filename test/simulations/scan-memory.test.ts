/** What a scan keeps of a log does not grow with the log. */
import { describe, expect, it } from 'vitest'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { LogScan } from '../../src/core/scan/log-scan.ts'
import { keptBy } from '../kit/store/kept-memory.ts'
import { orderRecord, PROMPT } from '../kit/records/paint-orders.ts'

const MIB = 2 ** 20
const ROWS = 200

/** Nine of ten requests have the recurring prompt. The bounds of the detector are tested with it. */
const recordAt = (number: number): ExchangeRecord => {
  const record = orderRecord(number)
  return number % 10 === 9
    ? { ...record, request: record.request.replace(JSON.stringify(PROMPT), '"Be brief."') }
    : record
}

/** Both passes over so many requests. */
const scanned = (requests: number): LogScan => {
  const scan = new LogScan({
    minSessions: 30,
    known: [],
    sampleRows: ROWS,
    sampleBytes: MIB,
    countTokens: null,
    now: Date.now(),
  })
  for (let number = 0; number < requests; number++) scan.observe(recordAt(number))
  scan.findTemplates()
  for (let number = 0; number < requests; number++) scan.count(recordAt(number))
  return scan
}

describe('the memory of a scan', () => {
  it('has the tables and the sample after 40,000 requests, and every request is counted', async () => {
    // of the first one the compiled code stays
    scanned(2_000)
    const { result: scan, keptBytes } = await keptBy(() => scanned(40_000))
    // some 7 MiB, of which most are tables; with all requests it would be 30 MiB
    expect(keptBytes / MIB).toBeLessThan(14)
    const [found] = scan.results()
    expect([scan.exchanges, scan.others, scan.withoutBody]).toEqual([40_000, 4_000, 0])
    expect([found!.tally.requests, found!.population, found!.sample.length]).toEqual([
      36_000,
      36_000,
      ROWS,
    ])
  })
})
