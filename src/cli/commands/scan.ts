/**
 * A first look at a log, without an engine: which prompts recur, what they cost, and how much of them a head
 * could answer. `core/scan/scan.ts` does the work.
 */
import { availableParallelism } from 'node:os'
import { basename } from 'node:path'
import { Command, Option } from 'commander'
import { textOf } from '../../core/answer/outcome.ts'
import { nameOf } from '../../core/template/name.ts'
import {
  economicsSettings,
  loadPrices,
  loadUpstreams,
  trainingTerms,
} from '../../config/config-files.ts'
import type { Config } from '../../config/config.ts'
import type { ScanReport } from '../../core/scan/report.ts'
import { DAY_MS } from '../../core/days.ts'
import { scanLog, type ScanSettings } from '../../core/scan/scan.ts'
import { AppError } from '../../errors.ts'
import { loadTokenizer } from '../../store/log/estimates.ts'
import { readConfig } from '../context.ts'
import { positiveAmount } from '../options.ts'
import {
  openScreen,
  print,
  writeError,
  writeOut,
  writePage,
  type OutputOptions,
  type Progress,
} from '../output.ts'
import { noExchange } from '../log-file/read-log.ts'
import { openScanEncoder, type OpenScanEncoder } from '../scan/encoder.ts'
import { conclusionText, nextStep, type Workshop } from '../scan/next-step.ts'
import { scanPage } from '../scan/page.tsx'
import { openSource, type OnRead, type ScanSource } from '../scan/source.ts'
import { tenantName } from '../scan/import-tenant.ts'
import type { ShownForm } from '../form-text.ts'
import { titlesOf } from '../titles.ts'
import { scanText, type ScanTexts } from '../scan/words.ts'
import { itemAt } from '../../core/lists.ts'

interface ScanOptions extends OutputOptions {
  html?: string
  withText?: boolean
  days?: number
  tenant?: string
  model: string
  encoder?: string
}

/** Answers that a form does not reproduce, at most. */
const UNEXPLAINED_SHOWN = 3
const PASSES = ['finding templates', 'counting']
const TRYING = 'trying heads'

const onReadOf =
  (progress: Progress): OnRead =>
  (pass, share) =>
    progress.update(itemAt(PASSES, pass - 1), Math.min(1, share), 1)

type Asked = Pick<ScanSettings, 'withText' | 'onFound' | 'onForm'> & {
  days: number | null
}

const settingsOf = async (
  config: Config,
  source: ScanSource,
  encoder: OpenScanEncoder,
  { days, withText, ...noting }: Asked,
  progress: Progress
): Promise<ScanSettings> => {
  const economics = economicsSettings(config, await loadPrices(config))
  const { minSessions, trainRows, holdoutRows, burstMinutes } = config.internalize
  const { margin, minCoverage, seed } = config.internalize
  return {
    minSessions,
    trainRows,
    holdoutRows,
    burstMinutes,
    now: Date.now(),
    margin,
    minCoverage,
    seed,
    known: source.known,
    encoder,
    countTokens: await loadTokenizer(),
    money: {
      ...economics,
      // a file has all requests that it is to be judged by
      captureShare: source.kind === 'file' ? 1 : economics.captureShare,
      days,
    },
    terms: trainingTerms(config, await loadUpstreams(config, process.env)),
    withText,
    onTemplate: (done, all) => {
      if (all > 0) progress.update(TRYING, done, all)
    },
    ...noting,
  }
}

const tellUnread = ({ unread }: ScanSource): void => {
  const { count, first } = unread()
  const more = count - first.length
  for (const { line, reason } of first) writeError(`line ${line} is left out: ${reason}\n`)
  if (more > 0) writeError(`${more} more lines are left out\n`)
}

/** @throws AppError `invalid-request` for a file, and `not-found` for another log without an exchange */
const requireExchanges = (
  { kind, place, unread }: ScanSource,
  { exchanges, withoutBody }: ScanReport
): void => {
  if (exchanges > 0) return
  if (kind !== 'file')
    throw new AppError(
      'not-found',
      withoutBody > 0
        ? `the ${withoutBody} records of ${place} have no bodies: raise BODY_RETENTION_DAYS to keep bodies longer`
        : `${place} has no record yet: point a client at the proxy (promptintern serve), or import a log`
    )
  const { count, first } = unread()
  if (count + withoutBody === 0) throw new AppError('invalid-request', `${place} is empty`)
  throw noExchange(place, first[0]?.reason)
}

const jsonOf = ({ place, kind, unread }: ScanSource, report: ScanReport) => ({
  log: { path: place, kind, unread: unread() },
  ...report,
})

/** Of the option, else of the configuration; null: there is none. */
const encoderOf = ({ engine }: Config, { encoder }: ScanOptions): string | null =>
  encoder ?? (engine.kind === 'onnx' ? engine.encoderPath : null)

const threadsOf = ({ engine }: Config): number =>
  engine.kind === 'onnx' ? engine.threads : availableParallelism()

/** Names and forms with texts of the log, for the terminal alone. */
const notedTexts = ({ labels }: ScanSource) => {
  const names = new Map<string, string>()
  const forms = new Map<string, ShownForm>()
  const onFound: ScanSettings['onFound'] = (templates) => {
    for (const template of templates)
      names.set(template.version, nameOf(template, labels.get(template.version) ?? null))
  }
  const onForm: ScanSettings['onForm'] = ({ version }, form) => {
    const unexplained = form.unexplained.slice(0, UNEXPLAINED_SHOWN)
    forms.set(version, {
      ...form,
      unexplained: unexplained.map(({ query, outcome }) => ({ query, answer: textOf(outcome)! })),
    })
  }
  const texts = (): ScanTexts => ({ titles: titlesOf(names), forms })
  return { onFound, onForm, texts }
}

const scan = async (path: string | undefined, options: ScanOptions): Promise<void> => {
  const { html, withText = false, days = null, tenant = null, model, json } = options
  const config = readConfig()
  const { progress } = openScreen(config.logLevel)
  const source = await openSource(path, { model, tenant, config }, onReadOf(progress))
  const { texts, ...noting } = notedTexts(source)
  let encoder: OpenScanEncoder | null = null
  try {
    encoder = await openScanEncoder(encoderOf(config, options), threadsOf(config))
    const settings = await settingsOf(
      config,
      source,
      encoder,
      { days, withText, ...noting },
      progress
    )
    const report = await scanLog(source, settings)
    progress.stop()
    tellUnread(source)
    requireExchanges(source, report)
    const log = {
      path: source.place,
      kind: source.kind,
      unread: source.unread().count,
      at: Date.now(),
    }
    const isEngineFree = config.engineUsdPerHour === null
    const shop: Workshop = {
      encoder: encoderOf(config, options),
      dataDir: config.dataDir,
      hasEngine: config.engine.kind !== 'none',
      bodyDays: config.retention.bodiesMs / DAY_MS,
      now: Date.now(),
    }
    // the page is sent around, and folders may have names of people
    const named = { ...log, path: basename(source.place) }
    if (html !== undefined) {
      const next = nextStep(report, named, { ...shop, encoder: null, dataDir: 'data' })
      await writePage(html, scanPage(report, named, { isEngineFree, next }))
    }
    if (json) print(jsonOf(source, report))
    else {
      const next = nextStep(report, log, shop)
      print(conclusionText(report, next))
      // whole, for a shell
      writeOut(next.command === null ? '\n' : `\n  ${next.command}\n\n`)
      print(scanText(report, log, { isEngineFree, ...texts() }))
    }
    if (html !== undefined) writeError(`the page is in ${html}\n`)
  } finally {
    progress.stop()
    await source.close()
    await encoder?.close()
  }
}

export const scanCommand = (): Command =>
  new Command('scan')
    .description(
      'a first look at a log, without an engine: recurring prompts, their cost, and how much a head could answer'
    )
    .argument(
      '[log]',
      'JSON or JSONL in a form that import accepts, or a data directory; by default the database of DATABASE_URL'
    )
    .option('--html <file>', 'also write a self-contained page with plots')
    .option(
      '--with-text',
      'include the texts of prompts, labels and what keeps a cache from being read'
    )
    .addOption(
      new Option('--days <count>', 'days that a file without times covers').argParser(
        positiveAmount
      )
    )
    .addOption(
      new Option(
        '--tenant <tenant>',
        'tenant of a file, so that its template ids match those after an import; by default that of OPENAI_API_KEY'
      ).argParser(tenantName)
    )
    .option('--model <name>', 'model for lines without one', 'gpt-4o-mini')
    .option('--encoder <folder>', 'sentence encoder of the heads; by default ENCODER_PATH')
    .option('--json', 'print JSON')
    .action(scan)
