/**
 * Chooses the exchanges that an internalization trains on and the held-out ones, and refuses when no
 * lora trained on them could go live. Reads the log; the engine is asked only to count tokens.
 */
import { reasonOf, type Reason } from '../../core/reason.ts'
import { reasonText } from '../../core/reasons/say-reason.ts'
import {
  hasProvenParameters,
  isProven,
  kindOf,
  LEAST_OF_A_TRAIT,
  provenKinds,
  type ProvenKinds,
  type RequestKind,
} from '../../core/route/request-kind.ts'
import { createAnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import { repeatsOf } from '../../core/learn/dataset.ts'
import { modelOfArm } from '../../core/learn/schedule.ts'
import type { Split } from '../../core/learn/split.ts'
import { levelOfTry } from '../../core/gate/gate.ts'
import { effectiveRows } from '../../core/gate/effective-rows.ts'
import { fewTextAnswers, minimumRows } from '../../core/gate/samples.ts'
import {
  burstMsOf,
  type InternalizeOptions,
  type PlannedForm,
  type Population,
} from '../../core/internalization/internalization.ts'
import { typeOfForm } from '../../core/answer/answer-form.ts'
import { writtenRules } from '../../core/answer/field-rules.ts'
import { answerTypeOf } from '../../core/internalization/answer-type.ts'
import { countOutcomes, targetOf, textsOf } from '../../core/answer/outcome.ts'
import { EMPTY_PROMPT, studentMessages } from '../../core/template/prompt.ts'
import { anchorText } from '../../core/template/template.ts'
import { outcomesAgree, type Comparison } from '../../core/answer/agreement.ts'
import type { Form } from '../../core/form/form.ts'
import { minuteText } from '../../core/days.ts'
import {
  detectResponseType,
  isMostlyJson,
  listedIn,
  type IsListed,
} from '../../core/answer/response-type.ts'
import type { Engine } from '../../engine/engine.ts'
import type { ChatMessage } from '../../openai/chat.ts'
import type { ModelObject } from '../../openai/fine-tuning.ts'
import type { Template } from '../../core/template/template.ts'
import type { WorkerDeps } from '../deps.ts'
import { comparisonOf } from '../exchanges/comparison.ts'
import { usableRequests, type MatchedExchange } from '../exchanges/exchanges.ts'
import { baseModelOf, encoderOf, trainsLoras } from '../engine/watch.ts'
import { whyNoJudge } from '../judge/plan-judge.ts'
import { chooseRows, soleKeyOf, whyNotSplit, type WantedRows } from './choose-rows.ts'
import { formOf, newerFormSince, withChange, withoutFieldHead } from './form.ts'
import { lastOf, nonEmpty } from '../../core/lists.ts'

interface ReadRows extends Split<MatchedExchange>, Comparison {
  /** see `InternalizationPlan` */
  earlierTries: number
  /** of the sample of traffic */
  kinds: ProvenKinds
  /** of the answers, where a field head can fill it */
  form: PlannedForm | null
  /** the form itself, without what single messages said */
  answerForm: Form | null
  /** whether the prompt lists an answer */
  isListed: IsListed
  population: Omit<Population, 'withoutPrompt'>
}

export interface PlannedRows extends ReadRows {
  /** why no model may be trained on the answers; null: one may. Another model of the upstream may still answer */
  untrained: PlanRefusal | null
}

/** Why nothing is trained. */
export interface PlanRefusal {
  refused: Reason
}

const messagesOf = ({ match, outcome }: MatchedExchange): ChatMessage[] => [
  ...studentMessages(match, EMPTY_PROMPT),
  { role: 'assistant', content: targetOf(outcome) },
]

/** Upper bound of the chat markers, which are some eight tokens a message. */
const MARKER_TOKENS = 16

/** An upper bound, because a tokenizer makes at most one token per byte. */
const mostTokensOf = (messages: ChatMessage[]): number =>
  messages.reduce(
    (sum, { content }) => sum + MARKER_TOKENS + Buffer.byteLength(String(content ?? '')),
    0
  )

/** Whether messages fit the model's context. Asks the engine only when the upper bound does not. */
export const fitsContext = async (
  engine: Engine,
  base: ModelObject,
  messages: ChatMessage[]
): Promise<boolean> => {
  const most = base.max_model_len
  if (most === undefined || mostTokensOf(messages) <= most) return true
  return (await engine.countTokens(base.id, messages)) <= most
}

const fitting = async (
  engine: Engine,
  base: ModelObject,
  exchanges: MatchedExchange[]
): Promise<MatchedExchange[]> => {
  const kept: MatchedExchange[] = []
  for (const exchange of exchanges)
    if (await fitsContext(engine, base, messagesOf(exchange))) kept.push(exchange)
  return kept
}

const isSameAnswer =
  (comparison: Comparison) =>
  (a: MatchedExchange, b: MatchedExchange): boolean =>
    outcomesAgree(comparison, a.outcome, b.outcome)

const kindOfRow = ({ request, match }: MatchedExchange): RequestKind => kindOf(request, match)

/** @returns why the held-out rows cannot show that a lora is good enough, or null */
const whyTooFew = (
  { traffic, unseen, earlierTries }: ReadRows,
  config: InternalizeOptions
): Reason | null => {
  const { margin } = config
  // the level over all tests: a sample that is too small for it fails every test
  const needed = minimumRows(margin, levelOfTry(earlierTries))
  const held = { rows: traffic.length, needed, margin }
  if (traffic.length < needed) return reasonOf('too-few-held-out', held)
  const worth = effectiveRows(traffic, burstMsOf(config))
  if (worth < needed) return reasonOf('held-out-in-bursts', { ...held, worth })
  return unseen.length < needed
    ? reasonOf('too-few-unseen', { ...held, rows: unseen.length })
    : null
}

/** @returns why a route would answer too few requests, or null */
const whyTooVaried = (
  { traffic, kinds }: ReadRows,
  { minCoverage }: InternalizeOptions
): Reason | null => {
  const proven = traffic.filter((row) => isProven(kinds, kindOfRow(row))).length / traffic.length
  return proven >= minCoverage
    ? null
    : reasonOf('too-varied', { proven, least: LEAST_OF_A_TRAIT, minCoverage })
}

/** Finds the causes of a rejection that are known before training. */
const hopeless = (
  rows: ReadRows,
  deps: WorkerDeps,
  { template, encoder }: { template: Template; encoder: ModelObject | null }
): Reason | null => {
  const { traffic, responseType } = rows
  const { config } = deps
  const { request, match } = lastOf(nonEmpty(traffic))
  const message = createAnswerFormats().unsupported(request, match.template.responseFormat)
  if (message !== null) return reasonOf('unsupported-format', { message })
  const fewTexts = fewTextAnswers(traffic, config.minCoverage)
  if (fewTexts !== null) return fewTexts
  const paths = writtenRules(rows.fields).map(({ path }) => path)
  const isJudged = responseType === 'free-text' || paths.length > 0
  const judge = isJudged ? whyNoJudge(deps, template.model) : null
  if (judge !== null && responseType === 'free-text')
    return reasonOf('free-text', { fieldHead: withoutFieldHead(config, encoder), judge })
  if (rows.fields !== undefined && !isMostlyJson(textsOf(traffic)))
    return reasonOf('rules-without-json', {})
  if (judge !== null) return reasonOf('written-fields', { paths, judge })
  return whyTooFew(rows, config) ?? whyTooVaried(rows, config)
}

/** The operator is asked for consent last: where nothing else is in the way. */
const whyNotAllowed = (
  { terms }: WorkerDeps,
  { template: { model } }: WantedRows,
  { responseType, fields, form }: ReadRows
): PlanRefusal | null => {
  const type = answerTypeOf({ responseType, fields }, form !== null)
  const unconsented = terms.whyNot(model, type)
  return unconsented && { refused: reasonOf('consent-needed', unconsented) }
}

/** Of the training rows, those that a route can be about; all of them where no kind is proven, which is refused. */
const withProvenParameters = (train: MatchedExchange[], kinds: ProvenKinds): MatchedExchange[] => {
  const proven = train.filter((row) => hasProvenParameters(kinds, kindOfRow(row)))
  return proven.length === 0 ? train : proven
}

/** The type of the answers, and their form where a field head can fill it. */
const shapeOf = (
  { config }: WorkerDeps,
  { template }: WantedRows,
  train: readonly MatchedExchange[],
  encoder: ModelObject | null
): Pick<PlannedRows, 'responseType' | 'form' | 'answerForm' | 'isListed'> => {
  const isListed = listedIn(anchorText(template))
  const detected = detectResponseType(textsOf(train), isListed)
  const canHaveForm = detected !== 'label' && withoutFieldHead(config, encoder) === null
  const found = canHaveForm ? formOf(train) : null
  if (found === null) return { isListed, form: null, answerForm: null, responseType: detected }
  return { isListed, ...found, responseType: typeOfForm(detected) }
}

interface Counted {
  split: Split<MatchedExchange>
  /** training rows of proven parameters, and those of them that fit the context */
  proven: readonly MatchedExchange[]
  train: readonly MatchedExchange[]
  /** usable requests of the log */
  logged: number
  comparison: Comparison
}

const populationOf = (
  exchanges: MatchedExchange[],
  { split, proven, train, logged, comparison }: Counted
): ReadRows['population'] => ({
  exchanges: exchanges.length,
  logged,
  conversations: new Set(exchanges.map(({ conversation }) => conversation)).size,
  outcomes: countOutcomes(exchanges),
  repeats: repeatsOf(exchanges, isSameAnswer(comparison)),
  tooLong: proven.length - train.length,
  otherParameters: split.train.length - proven.length,
})

/** The rows since a time, and why no lora trained on them could go live. */
const rowsSince = async (
  deps: WorkerDeps,
  engine: Engine,
  models: ModelObject[],
  wanted: WantedRows
): Promise<
  { rows: PlannedRows; refusal: PlanRefusal | null } | (PlanRefusal & { rows?: never })
> => {
  const [base, encoder] = [baseModelOf(engine, models), encoderOf(models)]
  const { exchanges, split, earlierTries } = await chooseRows(deps, wanted)
  if (split.train.length === 0 || split.traffic.length === 0)
    return { refused: whyNotSplit(exchanges, deps.config) }
  if (soleKeyOf(wanted.template, exchanges) !== null) return { refused: reasonOf('one-key', {}) }
  const logged = await usableRequests(deps.store, wanted.template)
  const kinds = provenKinds(split.traffic.map(kindOfRow))
  const proven = withProvenParameters(split.train, kinds)
  // an encoder alone reads the beginning of a longer one (`cutByHead`)
  const train = trainsLoras(base) ? await fitting(engine, base, proven) : proven
  if (train.length === 0)
    return {
      refused: reasonOf('context-too-short', {
        tokens: base.max_model_len ?? null,
        model: base.id,
      }),
    }
  const shape = shapeOf(deps, wanted, train, encoder)
  const comparison = await comparisonOf(
    deps.store,
    wanted.template,
    shape.responseType,
    textsOf(exchanges)
  )
  const rows: ReadRows = {
    ...split,
    ...shape,
    ...comparison,
    train,
    earlierTries,
    kinds,
    population: populationOf(exchanges, { split, proven, train, logged, comparison }),
  }
  const reason = hopeless(rows, deps, { template: wanted.template, encoder })
  if (reason !== null) return { rows: { ...rows, untrained: null }, refusal: { refused: reason } }
  const isTrained = deps.config.arms.some((arm) => modelOfArm(arm) === null)
  const untrained = isTrained ? whyNotAllowed(deps, wanted, rows) : null
  const hasModels = deps.config.arms.some((arm) => modelOfArm(arm) !== null)
  return { rows: { ...rows, untrained }, refusal: hasModels ? null : untrained }
}

/** Rows of a form that older answers do not have; null: there is no such form, or they are too few, which is logged. */
const rowsOfNewerForm = async (
  { log }: Pick<WorkerDeps, 'log'>,
  { responseType, train }: PlannedRows,
  plan: (since: number) => ReturnType<typeof rowsSince>
): Promise<{ rows: PlannedRows; since: number } | null> => {
  const since = responseType === 'label' ? null : newerFormSince(train)
  if (since === null) return null
  const planned = await plan(since)
  const refusal = planned.rows === undefined ? planned : planned.refusal
  if (refusal === null && planned.rows?.form) return { rows: planned.rows, since }
  const message = `the form of the answers changed at ${minuteText(since)} UTC, and newer ones cannot be learned alone`
  log({ level: 'warn', message, data: { reason: refusal && reasonText(refusal.refused) } })
  return null
}

/**
 * The rows of an internalization: where the form of the answers has changed, those of the newer one.
 * @returns a refusal when no lora trained on them could go live
 * @throws AppError `engine-unavailable`
 */
export const planRows = async (
  deps: WorkerDeps,
  engine: Engine,
  models: ModelObject[],
  wanted: WantedRows
): Promise<PlannedRows | PlanRefusal> => {
  const planned = await rowsSince(deps, engine, models, wanted)
  if (planned.rows === undefined) return planned
  const canHaveForm = withoutFieldHead(deps.config, encoderOf(models)) === null
  const newer = canHaveForm
    ? await rowsOfNewerForm(deps, planned.rows, (since) =>
        rowsSince(deps, engine, models, { ...wanted, since })
      )
    : null
  const { rows, since } = newer ?? { ...planned, since: null }
  if (newer === null && planned.refusal !== null) return planned.refusal
  if (rows.form === null) return rows
  return { ...rows, form: await withChange(deps, wanted.template, { form: rows.form, since }) }
}
