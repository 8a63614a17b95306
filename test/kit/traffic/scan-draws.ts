/**
 * Is the lower bound of a scan's coverage true? Logs are drawn from an application without end, so the
 * coverage of the head and the threshold that a log gives is counted on thousands of fresh requests.
 */
import { withConversations } from '../../../src/core/rollout/population.ts'
import { exchangeOf, readExchange, type ScannedExchange } from '../../../src/core/scan/exchange.ts'
import { coverageOf } from '../../../src/core/scan/coverage.ts'
import { fitHeads, type Encoder } from '../../../src/core/scan/head.ts'
import { planHead } from '../../../src/core/scan/head-plan.ts'
import { Detector } from '../../../src/core/detect/detect.ts'
import { compileMatcher, templateKeyOf, type Matcher } from '../../../src/core/match/match.ts'
import type { ExchangeRecord } from '../../../src/core/log/record.ts'
import type { Application, LabelledRequest } from './scan-applications.ts'

export interface DrawSettings {
  /** exchanges of a log */
  rows: number
  /** requests that the truth is counted on */
  fresh: number
  encoder: Encoder
}

export interface Draw {
  application: string
  expected: number
  lowerBound: number
  /** share of fresh requests that the head of this log answers at its threshold */
  truth: number
}

const TENANT = 'bench'
const MARGIN = 0.05
const MIN_COVERAGE = 0.2
/** The defaults of the configuration. */
const ROWS = { trainRows: 500, holdoutRows: 500, burstMinutes: 5 }
const SAMPLE_OF_DETECTION = 200

export const recordOf = ({ request, answer }: LabelledRequest, number: number): ExchangeRecord => ({
  id: String(number),
  at: 1_700_000_000_000 + number * 60_000,
  tenant: TENANT,
  model: request.model,
  path: '/v1/chat/completions',
  streamed: false,
  status: 200,
  firstByteMs: null,
  durationMs: 0,
  request: JSON.stringify(request),
  response: JSON.stringify({
    id: 'drawn',
    object: 'chat.completion',
    created: 0,
    model: request.model,
    choices: [{ index: 0, message: { role: 'assistant', content: answer }, finish_reason: 'stop' }],
  }),
  usage: null,
  route: null,
})

const matcherOf = (records: readonly ExchangeRecord[]): Matcher => {
  const detector = new Detector()
  for (const record of records.slice(0, SAMPLE_OF_DETECTION)) {
    const { request } = readExchange(record)!
    const key = templateKeyOf(request, { tenant: TENANT })
    detector.observe({ key, messages: request.messages, at: record.at })
  }
  return compileMatcher(detector.candidates().slice(0, 1))
}

const exchangesOf = (records: readonly ExchangeRecord[], matcher: Matcher): ScannedExchange[] =>
  withConversations(
    records.flatMap((record) => {
      const read = readExchange(record)!
      const match = matcher.match(
        templateKeyOf(read.request, { tenant: TENANT }),
        read.request.messages
      )
      return (match && exchangeOf(record, read, match)) ?? []
    })
  )

/** @returns null where no head can be tried, and where the gate refuses it: a bound of 0 says nothing */
export const drawLog = async (
  application: Application,
  seed: number,
  { rows, fresh, encoder }: DrawSettings
): Promise<Draw | null> => {
  const records = Array.from({ length: rows + fresh }, (_, number) =>
    recordOf(application.make(seed, number), number)
  )
  const exchanges = exchangesOf(records, matcherOf(records))
  const log = exchanges.filter(({ id }) => Number(id) < rows)
  const later = exchanges.filter(({ id }) => Number(id) >= rows)
  const gate = { margin: MARGIN, minCoverage: MIN_COVERAGE, seed: 1, burstMinutes: 0 }
  const now = records.at(-1)!.at
  const plan = planHead(log, null, { ...gate, ...ROWS, now, dims: encoder.dims })
  if (plan.obstacle !== null) return null
  const { split } = plan
  // fresh requests are answered with the held-out ones, behind them, and the gate does not see them
  const asked = { ...split, unseen: [...split.unseen, ...later] }
  const fits = await fitHeads(asked, plan.labels!, { encoder, seed: 1 })
  const judged = fits.map((fit) => ({ ...fit, heldOut: fit.heldOut.slice(0, -later.length) }))
  const { threshold, expectedCoverage, coverageLowerBound } = coverageOf(judged, gate)
  if (threshold === null) return null
  const freshRows = fits.at(-1)!.heldOut.slice(-later.length)
  const answered = freshRows.filter((row) => row.deferred === null && row.logprobSum >= threshold)
  return {
    application: application.name,
    expected: expectedCoverage,
    lowerBound: coverageLowerBound,
    truth: answered.length / freshRows.length,
  }
}
