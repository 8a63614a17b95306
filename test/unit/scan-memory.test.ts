/** What a scan keeps of a log does not grow with the log. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { LogScan } from '../../src/core/scan/log-scan.ts'
import { orderRecord, PROMPT } from '../fixtures/paint-orders.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const MIB = 2 ** 20
const ROWS = 200

/** Nine of ten requests have the recurring prompt. The bounds of the detector are tested with it. */
const recordAt = (number: number): ExchangeRecord => {
  const record = orderRecord(number)
  return number % 10 === 9
    ? { ...record, request: record.request.replace(JSON.stringify(PROMPT), '"Be brief."') }
    : record
}

/** Both passes over so many requests. @returns the scan, and the bytes that it keeps */
const scanned = (requests: number): { scan: LogScan; keptBytes: number } => {
  collectGarbage()
  const before = process.memoryUsage()
  const scan = new LogScan({
    minSessions: 30,
    known: [],
    sampleRows: ROWS,
    sampleBytes: MIB,
    countTokens: null,
  })
  for (let number = 0; number < requests; number++) scan.observe(recordAt(number))
  scan.findTemplates()
  for (let number = 0; number < requests; number++) scan.count(recordAt(number))
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return { scan, keptBytes: heapUsed + arrayBuffers - before.heapUsed - before.arrayBuffers }
}

describe('the memory of a scan', () => {
  it('has the tables and the sample after 40,000 requests, and every request is counted', () => {
    // of the first one the compiled code stays
    scanned(2_000)
    const { scan, keptBytes } = scanned(40_000)
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
