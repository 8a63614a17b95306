/**
 * A first look at a log: which prompts recur, what they cost, and how much of them a label head could answer.
 * Reads the log twice, trains heads, and ranks the templates by money. The log, the features and the progress
 * come from outside.
 */
import type { ExchangeRecord } from '../log/record.ts'
import type { Template } from '../template/template.ts'
import { coverageOf, type CoverageFigures, type GateSettings } from './coverage.ts'
import { fitHeads, type Encoder } from './head.ts'
import { MAX_TRAIN_ROWS, planLabels, type LabelPlan, type LabelPlanSettings } from './label-plan.ts'
import { LogScan, type FoundTemplate, type LogScanOptions } from './log-scan.ts'
import { priceTemplates, type MoneySettings } from './money.ts'
import { reportOf, type Judged, type ScanReport } from './report.ts'

export interface LogSource {
  /** from the beginning at each call */
  read: () => AsyncIterable<ExchangeRecord>
}

export type ScanSettings = Pick<LogScanOptions, 'minSessions' | 'countTokens' | 'now'> &
  Omit<LabelPlanSettings, 'dims'> &
  GateSettings & {
    /** templates that are known before the scan */
    known: readonly Template[]
    encoder: Encoder
    money: Omit<MoneySettings, 'window'>
    /** texts of prompts and labels go into the report */
    withText: boolean
    onTemplate: (done: number, all: number) => void
    /** before heads are tried */
    onFound: (templates: readonly Template[]) => void
  }

/** Repeated questions give one training row. */
const READ_AHEAD = 2
const SAMPLE_BYTES = 256 * 2 ** 20

const readTwice = async (source: LogSource, scan: LogScan): Promise<FoundTemplate[]> => {
  for await (const record of source.read()) scan.observe(record)
  scan.findTemplates()
  for await (const record of source.read()) scan.count(record)
  return scan.results()
}

/** @returns null where no head can be tried */
const tryHead = async (
  { split, labels, obstacle }: LabelPlan,
  settings: ScanSettings
): Promise<CoverageFigures | null> => {
  if (obstacle !== null || labels === null) return null
  return coverageOf(await fitHeads(split, labels, settings), settings)
}

/** @param isTimed without any time, bursts cannot be told, and each conversation counts by itself */
const judge = async (
  found: FoundTemplate,
  settings: ScanSettings,
  isTimed: boolean
): Promise<Judged> => {
  const timed = { ...settings, burstMinutes: isTimed ? settings.burstMinutes : 0 }
  const dims = timed.encoder.dims
  const plan = planLabels(found.sample, found.unsupportedFormat, { ...timed, dims })
  return { found, plan, coverage: await tryHead(plan, timed) }
}

/** @throws what the source throws */
export const scanLog = async (source: LogSource, settings: ScanSettings): Promise<ScanReport> => {
  const { minSessions, countTokens, known, holdoutRows, now, onTemplate } = settings
  const scan = new LogScan({
    minSessions,
    countTokens,
    known,
    sampleRows: READ_AHEAD * (MAX_TRAIN_ROWS + holdoutRows),
    sampleBytes: SAMPLE_BYTES,
    now,
  })
  const found = await readTwice(source, scan)
  settings.onFound(found.map(({ template }) => template))
  const judged: Judged[] = []
  for (const template of found) {
    onTemplate(judged.length, found.length)
    judged.push(await judge(template, settings, scan.from !== null))
  }
  onTemplate(found.length, found.length)
  const { from, to } = scan
  const window = from === null || to === null ? null : { calls: scan.exchanges, from, to }
  const money = priceTemplates(
    judged.map(({ found: { template, tally }, coverage }) => ({
      template,
      tally,
      coverage: coverage && {
        expected: coverage.expectedCoverage,
        lowerBound: coverage.coverageLowerBound,
      },
    })),
    { ...settings.money, window }
  )
  return reportOf(judged, money, { scan, settings })
}
