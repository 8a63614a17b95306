/** What to do after a scan: a sentence, and where there is one the whole command, for a shell. Pure. */
import { join } from 'node:path'
import { DAY_MS } from '../../core/days.ts'
import type { ScanReport, TemplateReport } from '../../core/scan/report.ts'
import { shellWord } from '../../core/shell-word.ts'
import { shortId } from '../../core/template/name.ts'
import { modelFolder } from '../../models/pull.ts'
import { roundDollars } from '../../core/figure-text.ts'
import { about, growthText, headline, isReady, isUntriedForm, type ScannedLog } from './words.ts'
import { CONSTANTS } from '../../config/constants.ts'

/** What is there to learn with. */
export interface Workshop {
  /** folder of the sentence encoder; null: none is configured */
  encoder: string | null
  /** `promptintern models pull` puts models below it */
  dataDir: string
  hasEngine: boolean
  /** days that the texts of records are kept */
  bodyDays: number
  /** milliseconds since the epoch */
  now: number
}

export interface NextStep {
  says: string
  command: string | null
}

const ENCODER = { name: 'minilm', repository: 'sentence-transformers/all-MiniLM-L6-v2' }
const MODEL = { name: 'smollm2-135m', repository: 'HuggingFaceTB/SmolLM2-135M-Instruct' }
/** Beside the age of the log, for the time that learning takes. */
const MORE_DAYS = 7

/** A path is no option, also where it begins as one. */
const quoted = (path: string): string => shellWord(path.startsWith('-') ? `./${path}` : path)

const run = (words: string): string => `npx promptintern ${words}`

/** The scan's figures hold where the server learns from the same log. */
const learning = ({ from }: ScanReport, log: ScannedLog, shop: Workshop) => {
  const age = from === null ? 0 : Math.ceil((shop.now - from) / DAY_MS)
  const isImported = log.kind === 'file'
  return [
    // without times all lines are one burst, which gives no held-out part; the scan took them as independent
    ...(isImported && from === null ? ['BURST_MINUTES=0'] : []),
    // else retention would delete the texts before they are learned
    ...(isImported && age + MORE_DAYS > shop.bodyDays
      ? [`BODY_RETENTION_DAYS=${age + MORE_DAYS}`]
      : []),
  ]
}

type Kind = 'head' | 'lora'

const serving = (kind: Kind, settings: string[], shop: Workshop): string[] => {
  const isHead = kind === 'head'
  const { name, repository } = isHead ? ENCODER : MODEL
  const known = isHead ? shop.encoder : null
  const place = `${isHead ? 'ENCODER_PATH' : 'MODEL_PATH'}=${quoted(known ?? modelFolder(join(shop.dataDir, 'models'), repository))}`
  const limit = isHead ? [] : ['TRAIN_MINUTES=40']
  return [
    ...(known === null ? [run(`models pull ${name}`)] : []),
    ['ENGINE=onnx', place, ...limit, ...settings, run('serve')].join(' '),
  ]
}

const learn = (
  report: ScanReport,
  { version }: TemplateReport,
  log: ScannedLog,
  { kind, shop }: { kind: Kind; shop: Workshop }
): string => {
  const settings = learning(report, log, shop)
  if (shop.hasEngine && log.kind !== 'file')
    return [...settings, run(`internalize ${shortId(version)}`)].join(' ')
  const [last = '', ...before] = serving(kind, settings, shop).reverse()
  const imports = log.kind === 'file' ? [run(`import ${quoted(log.path)}`)] : []
  return [...before.reverse(), ...imports, last].join(' && ')
}

/** The gate refuses its head, which twice the exchanges made better. */
const isGrowing = ({ expectedCoverage, growth: [half, all] }: TemplateReport): boolean =>
  expectedCoverage === 0 &&
  half !== undefined &&
  all !== undefined &&
  all.agreementOfAll > half.agreementOfAll

const MAY_LEARN = ['json', 'code', 'calls', 'short-text']

const isForLora = ({ responseType, labels }: TemplateReport): boolean =>
  labels === 1 || MAY_LEARN.includes(responseType ?? '')

/** An import belongs to the callers of one key. */
const keyText = ({ kind }: ScannedLog): string =>
  kind === 'file' ? ' (OPENAI_API_KEY must be the key that its clients use)' : ''

interface Mended {
  version: string
  mend: string
  /** US dollars a month */
  saved: number
}

/** The mend that saves most; null where none does. */
const mostMended = ({ templates }: ScanReport): Mended | null =>
  templates.reduce<Mended | null>((most, { version, cache }) => {
    const saved = cache?.usdPerMonth ?? 0
    const [first] = cache?.causes ?? []
    return first && saved > (most?.saved ?? 0) ? { version, mend: first.mend, saved } : most
  }, null)

/** By money: the mend of a cache before or behind what a head needs. */
export const nextStep = (report: ScanReport, log: ScannedLog, shop: Workshop): NextStep => {
  const step = nextOfHeads(report, log, shop)
  const mended = mostMended(report)
  if (mended === null) return step
  const { version, mend, saved } = mended
  const says = `mend the provider's cache for ${shortId(version)}, which saves ${roundDollars(saved)} a month: ${mend}`
  if (step.command === null) return { says, command: null }
  const most = Math.max(...report.templates.map((row) => row.netUsdPerMonth ?? 0))
  return most > saved
    ? { says: `${step.says}. Also ${says}`, command: step.command }
    : { says: `first ${says} Then ${step.says}`, command: step.command }
}

const nextOfHeads = (report: ScanReport, log: ScannedLog, shop: Workshop): NextStep => {
  const { templates } = report
  const ready = templates.find(isReady)
  if (ready !== undefined)
    return {
      says:
        'train and prove it on this machine, in minutes; then approve it on the page at /admin' +
        keyText(log),
      command: learn(report, ready, log, { kind: 'head', shop }),
    }
  const form = templates.find(isUntriedForm)
  if (form !== undefined)
    return {
      says:
        'a field head may learn its answers on this machine, in minutes; the gate shows whether it does' +
        keyText(log),
      command: learn(report, form, log, { kind: 'head', shop }),
    }
  const waiting = templates.find(({ missingExchanges }) => (missingExchanges ?? 0) > 0)
  if (waiting !== undefined)
    return {
      says: `log about ${about(waiting.missingExchanges!)} more exchanges of ${shortId(waiting.version)}, then scan again`,
      command: null,
    }
  const growing = templates.find(isGrowing)
  if (growing !== undefined)
    return {
      says: `log twice as many exchanges of ${shortId(growing.version)}, then scan again: ${growthText(growing)}`,
      command: null,
    }
  const forLora = templates.find(isForLora)
  if (forLora !== undefined)
    return {
      says: 'a lora may learn its answers within an hour on this machine; the gate shows whether it does',
      command: learn(report, forLora, log, { kind: 'lora', shop }),
    }
  return {
    says:
      templates.length === 0
        ? `log more traffic: a template needs ${CONSTANTS.detectMinSessions} sessions with the same prompt`
        : 'no step to recommend: see the remarks',
    command: null,
  }
}

/** What is read first; the command of the next step stands behind it, in a line of its own. */
export const conclusionText = (report: ScanReport, { says, command }: NextStep): string =>
  [headline(report), `next: ${says}${command === null ? '' : ':'}`].join('\n\n')
