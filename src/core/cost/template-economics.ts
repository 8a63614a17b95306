/**
 * A template's traffic priced: what a call costs today and what answers in its place, and whether internalizing pays.
 * Pure; `savings/economics.ts` loads the input.
 */
import {
  callCosts,
  savingsOf,
  unknownWorth,
  worthOf,
  type CallCosts,
  type CallShape,
  type Coverage,
  type Worth,
} from './economics.ts'
import { winningArm, type Arm, type Internalization } from '../internalization/internalization.ts'
import { modelOfArm, type ArmName } from '../learn/schedule.ts'
import { priceAt, findPrice, type Price } from './prices.ts'
import type { AskedCalls, TemplateTraffic, TrafficWindow } from './template-traffic.ts'

export interface EconomicsSettings {
  prices: readonly Price[]
  /** null: not set, so the engine's cost is left out */
  engineUsdPerHour: number | null
  /** of the calls that are logged, 0 to 1 */
  captureShare: number
  /** of the matching calls that a new route may answer, 0 to 1 */
  trafficShare: number
  /** limit on the training of one internalization; null: none */
  trainSeconds: number | null
  /** requests that an evaluation sends to the upstream again */
  upstreamReplays: number
  /** that may compete, to tell what a template without a proof would be answered by; empty: a model of the engine */
  arms: readonly ArmName[]
  /** US dollars that answers of other models may cost an internalization; null: none are bought */
  proofUsd: number | null
  /** whether a judge may vouch for free text (JUDGE_MODEL); absent: it may not */
  hasJudge?: boolean
}

/** Of one call. */
export interface CallFigures extends CallShape {
  promptTokens: number
  countedBy: 'upstream' | 'estimate'
  /** false: the provider does not report it, so a warm cache is assumed */
  cacheIsMeasured: boolean
}

/** A template's figures before the engine's cost is shared. */
export interface Draft {
  /** of the upstream's model, for its calls' length and tier; null without one */
  price: Price | null
  /** of the upstreams that answers with the whole prompt; null: a model of the engine does without it */
  otherModel: string | null
  /** null without one, and without an other model: the engine is paid by the hour */
  otherPrice: Price | null
  traffic: (TrafficWindow & Pick<TemplateTraffic, 'callsPerMonth' | 'asked'>) | null
  /** the newest answers are free text without a form, and there is no judge: no route may give them */
  isFreeText: boolean
  call: CallFigures | null
  perCallUsd: CallCosts | null
  coverage: Coverage
  onceUsd: {
    /** null: the duration is not known */
    training: number | null
    evaluation: number
  }
}

export interface TemplateEconomics extends Draft, Worth {
  /** caveats of the figures, for a person to read */
  remarks: string[]
}

/** With fewer calls that its lora was asked for, the gate's figures estimate a route's coverage better. */
const MIN_ASKED_CALLS = 50

/** Without the provider's figures the cache counts as warm, which never overstates the savings. */
const callFigures = (traffic: TemplateTraffic | null): CallFigures | null => {
  const { upstream = null, removedShare = null } = traffic ?? {}
  if (upstream === null || removedShare === null) return null
  const { promptTokens, outputTokens, cacheHitShare, cacheWriteShare, isEstimated } = upstream
  return {
    promptTokens,
    templateTokens: promptTokens * removedShare,
    queryTokens: promptTokens * (1 - removedShare),
    outputTokens,
    countedBy: isEstimated ? 'estimate' : 'upstream',
    cacheHitShare: cacheHitShare ?? removedShare,
    cacheWriteShare,
    cacheIsMeasured: cacheHitShare !== null,
  }
}

/** Seconds of all stages and arms. */
export const trainedSeconds = ({ plan }: Internalization): number =>
  (plan?.arms ?? [])
    .flatMap(({ results }) => results)
    .reduce((sum, { metrics }) => sum + metrics.seconds, 0)

/** Of its own training when that has ended, else the limit, else the mean of others, else null. */
const trainingSeconds = (input: DraftInput): number | null => {
  const { internalizations, settings } = input
  const own = ownOf(input).at(-1)
  if (own?.verdict) return trainedSeconds(own)
  if (settings.trainSeconds !== null) return settings.trainSeconds
  const ended = internalizations.filter(({ verdict }) => verdict !== null).map(trainedSeconds)
  return ended.length === 0 ? null : ended.reduce((sum, each) => sum + each, 0) / ended.length
}

/** What hours of the engine cost. */
type EngineHourSettings = Pick<EconomicsSettings, 'engineUsdPerHour'>

export const engineHoursUsd = (hours: number, { engineUsdPerHour }: EngineHourSettings): number =>
  hours * (engineUsdPerHour ?? 0)

export interface DraftInput {
  template: { version: string; model: string }
  /** null without a record of the template */
  traffic: TemplateTraffic | null
  /** of all templates, oldest first */
  internalizations: readonly Internalization[]
  settings: EconomicsSettings
}

const ownOf = ({ template, internalizations }: DraftInput): Internalization[] =>
  internalizations.filter((row) => row.templateVersion === template.version)

/** The winning arm of the last proof; null: it names none; undefined: there is no proof. */
const provenArm = (input: DraftInput): Arm | null | undefined => {
  const proven = ownOf(input).findLast(({ verdict }) => verdict?.verdict === 'promote')
  return proven && winningArm(proven)
}

/** The other model that answers a template, or that would: none where an engine's model may. */
const otherModelOf = (input: DraftInput): string | null => {
  const { settings } = input
  const proven = provenArm(input)
  if (proven !== undefined) return proven?.model?.name ?? null
  const models = settings.arms.flatMap((arm) => modelOfArm(arm) ?? [])
  if (models.length < settings.arms.length) return null
  const inputUsd = (name: string): number => findPrice(settings.prices, name)?.input ?? Infinity
  return models.toSorted((a, b) => inputUsd(a) - inputUsd(b))[0] ?? null
}

/** US dollars, once; null where the duration is not known. */
const onceTrainingUsd = (input: DraftInput): number | null => {
  const seconds = trainingSeconds(input)
  return seconds === null ? null : engineHoursUsd(seconds / 3600, input.settings)
}

/** In the last stage, whatever the present one draws. @returns null where too few were asked for */
const measuredCoverage = (
  { answered, discarded, unfitShare }: AskedCalls,
  trafficShare: number
): Coverage | null => {
  const asked = answered + discarded
  if (asked < MIN_ASKED_CALLS) return null
  const share = (trafficShare * (1 - unfitShare)) / asked
  return { answered: answered * share, discarded: discarded * share, source: 'measured' }
}

const coverageOf = (input: DraftInput): Coverage => {
  const { traffic, settings } = input
  const { trafficShare } = settings
  const measured = traffic && measuredCoverage(traffic.asked, trafficShare)
  if (measured) return measured
  const verdict = ownOf(input).at(-1)?.verdict
  const proven = verdict?.verdict === 'promote' ? verdict.arms[verdict.arm]?.coverage : undefined
  if (proven === undefined) return { answered: trafficShare, discarded: 0, source: 'assumed' }
  return {
    answered: proven * trafficShare,
    discarded: (1 - proven) * trafficShare,
    source: 'proven',
  }
}

export const draftOf = (input: DraftInput): Draft => {
  const { template, traffic, settings } = input
  const call = callFigures(traffic)
  const tier = traffic?.upstream?.serviceTier ?? null
  const priceOf = (model: string): Price | null => {
    const standard = findPrice(settings.prices, model)
    return standard && priceAt(standard, call?.promptTokens ?? 0, tier)
  }
  const price = priceOf(template.model)
  const otherModel = otherModelOf(input)
  const otherPrice = otherModel === null ? null : priceOf(otherModel)
  const isPriced = otherModel === null || otherPrice !== null
  const costs = isPriced && price && call && callCosts(call, price, otherPrice)
  return {
    price,
    otherModel,
    otherPrice,
    traffic: traffic && {
      ...traffic.window,
      callsPerMonth: traffic.callsPerMonth,
      asked: traffic.asked,
    },
    isFreeText: (traffic?.isFreeText ?? false) && settings.hasJudge !== true,
    call,
    perCallUsd: costs || null,
    coverage: coverageOf(input),
    onceUsd: {
      training: onceTrainingUsd(input),
      evaluation:
        settings.upstreamReplays * (costs ? costs.now : 0) +
        (otherModel === null ? 0 : (settings.proofUsd ?? 0)),
    },
  }
}

/** Dollars saved a month before the engine's cost; 0 where they are not known. */
export const savedPerMonth = ({ perCallUsd, traffic, coverage }: Draft): number => {
  const calls = traffic?.callsPerMonth ?? 0
  if (perCallUsd === null) return 0
  const volume = { answered: coverage.answered * calls, discarded: coverage.discarded * calls }
  return savingsOf(perCallUsd, volume, { engineUsd: 0, trainingUsd: 0 }).netUsd
}

/** @param share of the prompt tokens that the cache serves, 0 to 1 @param written null: like the call */
export const withCacheHits = (draft: Draft, share: number, written: number | null): Draft => {
  const { call, price, otherPrice, perCallUsd } = draft
  if (call === null || price === null || perCallUsd === null) return draft
  const changed = { ...call, cacheHitShare: Math.min(1, share), cacheWriteShare: written }
  return { ...draft, call: changed, perCallUsd: callCosts(changed, price, otherPrice) }
}

/** What no route may answer saves nothing, and costs its training. */
const FREE_TEXT: Worth = {
  ...unknownWorth(
    'its answers are free text without a form, which goes live only where a judge compares it: name one with JUDGE_MODEL'
  ),
  verdict: 'does-not-pay',
}

const whyUnknown = ({ price, otherModel, otherPrice }: Draft, model: string): string =>
  price === null || (otherModel !== null && otherPrice === null)
    ? `no price of ${price === null ? model : otherModel} is known: add it to PRICES_FILE`
    : 'the log has no call of this template with text and token counts'

const remarksOf = (draft: Draft, isEngineFree: boolean): string[] => {
  const { call, onceUsd, otherModel, price } = draft
  if (call === null || price === null) return []
  const isOfEngine = otherModel === null
  return [
    call.countedBy === 'estimate' && 'the upstream counted no tokens; they are estimated',
    !call.cacheIsMeasured && 'the upstream does not report cached tokens; a warm cache is assumed',
    isOfEngine && isEngineFree && 'ENGINE_USD_PER_HOUR is not set, so the engine counts as 0',
    isOfEngine &&
      onceUsd.training === null &&
      'the duration of training is not known, so it counts as 0',
  ].filter((remark) => remark !== false)
}

interface EconomicsContext {
  model: string
  /** a month's cost, share of this template */
  engineUsd: number
  settings: EngineHourSettings
}

const worthWithin = (
  draft: Draft,
  { model, engineUsd }: Pick<EconomicsContext, 'model' | 'engineUsd'>
): Worth => {
  const { perCallUsd, traffic, coverage, onceUsd, isFreeText } = draft
  if (coverage.source === 'assumed' && isFreeText) return FREE_TEXT
  if (perCallUsd === null) return unknownWorth(whyUnknown(draft, model))
  return worthOf(perCallUsd, {
    callsPerMonth: traffic?.callsPerMonth ?? null,
    coverage,
    engineUsd,
    onceUsd: (onceUsd.training ?? 0) + onceUsd.evaluation,
  })
}

export const economicsOf = (draft: Draft, context: EconomicsContext): TemplateEconomics => ({
  ...worthWithin(draft, context),
  remarks: remarksOf(draft, context.settings.engineUsdPerHour === null),
  ...draft,
})
