/**
 * A first look at a log: which prompts recur, what they cost, and how much of them a head could answer.
 * Reads the log twice, trains heads, and ranks the templates by money. The log, the features and the progress
 * come from outside.
 */
import { cacheRules } from '../cache/finding.ts'
import { reasonOf, type Reason } from '../reason.ts'
import { listedIn } from '../answer/response-type.ts'
import type { ExchangeRecord } from '../log/record.ts'
import { anchorText, type Template } from '../template/template.ts'
import { coverageOf, type GateSettings } from './coverage.ts'
import { fitFieldHead } from './field-head.ts'
import { fitHeads, type Encoder } from './head.ts'
import {
  MAX_TRAIN_ROWS,
  NO_ENCODER,
  planHead,
  type HeadPlan,
  type HeadPlanSettings,
} from './head-plan.ts'
import { LogScan, type FoundTemplate, type LogScanOptions } from './log-scan.ts'
import { otherCachesIn, priceTemplates, type Judged, type MoneySettings } from './money.ts'
import type { TrainingTerms } from '../terms/terms.ts'
import { reportOf, type ScanReport } from './report.ts'

export interface LogSource {
  /** from the beginning at each call */
  read: () => AsyncIterable<ExchangeRecord>
}

export type ScanSettings = Pick<LogScanOptions, 'minSessions' | 'countTokens' | 'now'> &
  Omit<HeadPlanSettings, 'dims' | 'isListed'> &
  GateSettings & {
    /** templates that are known before the scan */
    known: readonly Template[]
    encoder: Encoder
    money: Omit<MoneySettings, 'window' | 'withText'>
    terms: TrainingTerms
    /** texts of prompts, labels and what differs go into the report */
    withText: boolean
    /** @param done templates, and a share of the one that is tried */
    onTemplate: (done: number, all: number) => void
    /** before heads are tried */
    onFound: (templates: readonly Template[]) => void
    /** with texts of the log, which the report has not */
    onForm: (template: Template, form: NonNullable<HeadPlan['form']>) => void
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

type Tried = Pick<Judged, 'plan' | 'coverage'>

/**
 * What a gate says of a head that learned a part of the rows: where it passes, one that learns all of them answers
 * at least as much, about; where it refuses, it says nothing of the other.
 */
const tryFieldHead = async (
  plan: HeadPlan,
  form: NonNullable<HeadPlan['form']>,
  settings: ScanSettings,
  onProgress: (done: number) => void
): Promise<Tried> => {
  const { split, responseType } = plan
  const { seed, encoder } = settings
  const unknown = (reason: Reason): Tried => ({
    plan: { ...plan, obstacle: { reason, missingExchanges: null } },
    coverage: null,
  })
  if (encoder.fillForm === null) return unknown(NO_ENCODER)
  // answers with a form have a type
  const trial = { split, form, type: responseType! }
  const fitted = await fitFieldHead(trial, encoder.fillForm, { seed, onProgress })
  if ('refused' in fitted) return unknown(fitted.refused)
  const coverage = coverageOf([fitted.fit], settings)
  if (coverage.refusal === null || !fitted.isCut) return { plan, coverage }
  const { rows } = fitted.fit
  return unknown(reasonOf('field-head-cut', { rows, agreement: coverage.agreementOfAll }))
}

/** @returns no coverage where no head can be tried */
const tryHead = async (
  plan: HeadPlan,
  settings: ScanSettings,
  onProgress: (done: number) => void
): Promise<Tried> => {
  const { split, labels, form, obstacle } = plan
  if (obstacle === null && form !== null) return tryFieldHead(plan, form, settings, onProgress)
  if (obstacle !== null || labels === null) return { plan, coverage: null }
  return { plan, coverage: coverageOf(await fitHeads(split, labels, settings), settings) }
}

/** @param isTimed without any time, bursts cannot be told, and each conversation counts by itself */
const judge = async (
  found: FoundTemplate,
  settings: ScanSettings,
  isTimed: boolean,
  onProgress: (done: number) => void
): Promise<Omit<Judged, 'cacheFinding'>> => {
  const timed = { ...settings, burstMinutes: isTimed ? settings.burstMinutes : 0 }
  const dims = timed.encoder.dims
  const isListed = listedIn(anchorText(found.template))
  const plan = planHead(found.sample, found.unsupportedFormat, { ...timed, dims, isListed })
  if (plan.form !== null) settings.onForm(found.template, plan.form)
  return { found, ...(await tryHead(plan, timed, onProgress)) }
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
  // before heads are trained, which takes as much memory
  const findings = scan.takeCacheFindings(cacheRules(settings.money.prices))
  const judged: Judged[] = []
  for (const template of found) {
    onTemplate(judged.length, found.length)
    const tell = (done: number): void => onTemplate(judged.length + done, found.length)
    const tried = await judge(template, settings, scan.from !== null, tell)
    const { version } = template.template
    const cacheFinding = findings.find((finding) => finding.version === version) ?? null
    judged.push({ ...tried, cacheFinding })
  }
  onTemplate(found.length, found.length)
  const { from, to } = scan
  const window = from === null || to === null ? null : { calls: scan.exchanges, from, to }
  const money = { ...settings.money, window, withText: settings.withText }
  return reportOf(priceTemplates(judged, money), otherCachesIn(findings, money), { scan, settings })
}
