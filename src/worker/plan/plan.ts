/**
 * Decides everything that an internalization needs before its first stage: training and held-out rows,
 * labels, the order in which sentences of the template are dropped, the stages of each arm. The plan
 * is stored, so training resumes with the same plan after a crash.
 */
import {
  mostChars,
  mostTokens,
  partNamesOf,
  type AnswerRules,
} from '../../core/answer/answer-rules.ts'
import { constantExamples, sentencesOf } from '../../core/learn/compress.ts'
import {
  winningLora,
  type Arm,
  type InternalizationPlan,
  type Retry,
  type Succession,
} from '../../core/internalization/internalization.ts'
import { textOf, textsOf } from '../../core/answer/outcome.ts'
import { splitAnswer, supportOf, writtenText } from '../../core/answer/written-fields.ts'
import { modelOfArm } from '../../core/learn/schedule.ts'
import { holdoutTimeOf } from '../../core/internalization/holdout-time.ts'
import { knownLabels } from '../../core/answer/response-type.ts'
import { planParts } from '../../core/route/parts.ts'
import { kindOf } from '../../core/route/request-kind.ts'
import { studentText } from '../../core/template/prompt.ts'
import { knownFacts } from '../../core/facts/known.ts'
import type { Template } from '../../core/template/template.ts'
import type { Engine } from '../../engine/engine.ts'
import type { ModelObject, TrainingMethod, TrainingRow } from '../../openai/fine-tuning.ts'
import type { WorkerDeps } from '../deps.ts'
import { baseModelOf, encoderOf, trainsLoras } from '../engine/watch.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import { planJudge } from '../judge/plan-judge.ts'
import { planArms } from './arms.ts'
import { cutByHead, planHead } from './head.ts'
import { planModels } from './models.ts'
import { planCompression } from './compression.ts'
import { fitsContext, planRows, type PlannedRows, type PlanRefusal } from './rows.ts'
import { stageRows } from '../exchanges/stage-rows.ts'
import { nonEmpty } from '../../core/lists.ts'
import { reasonOf, type Reason } from '../../core/reason.ts'

/**
 * Self-distillation when the logged answers came from the engine's own base model with the prompt: its
 * log-probabilities then carry more than the answers. The teacher reads the whole prompt, which must
 * fit its context, and cannot teach a lora to defer.
 */
const methodFor = (
  base: ModelObject,
  train: MatchedExchange[],
  fitsPrompt: boolean
): TrainingMethod => {
  const canDistil = base.training_methods?.includes('self-distillation') === true
  const isTeacher = train.every(
    ({ fingerprint, outcome }) =>
      outcome.kind === 'text' && fingerprint !== null && fingerprint === base.fingerprint
  )
  return canDistil && isTeacher && fitsPrompt ? 'self-distillation' : 'supervised'
}

const charsOf = ({ messages }: TrainingRow): number =>
  messages.reduce((sum, { content }) => sum + String(content ?? '').length, 0)

/** Whether the longest row with the whole prompt fits the base model's context. */
const fitsWithPrompt = async (
  deps: WorkerDeps,
  engine: Engine,
  base: ModelObject,
  { template, train }: { template: Template; train: MatchedExchange[] }
): Promise<boolean> => {
  const text = sentencesOf(template)
    .map((sentence) => sentence.text)
    .join('')
  const rows = stageRows(
    train,
    { template: text, examples: constantExamples(template) },
    { retrieved: deps.config.examples, method: 'supervised' }
  )
  const longest = rows.reduce((most, row) => (charsOf(row) > charsOf(most) ? row : most))
  return fitsContext(engine, base, longest.messages)
}

const answerRules = async (
  engine: Engine,
  baseModel: string,
  { train, traffic, responseType, isListed, folds, fields, answerForm }: PlannedRows
): Promise<AnswerRules> => {
  const learned = textsOf(train)
  const longest = [...learned, ...textsOf(traffic)].reduce((best, answer) =>
    answer.length > best.length ? answer : best
  )
  return {
    responseType,
    folds,
    ...(fields !== undefined && { fields }),
    labels: responseType === 'label' ? knownLabels(learned, isListed) : null,
    ...(answerForm !== null && { form: answerForm }),
    defers: train.some(({ outcome }) => outcome.kind !== 'text'),
    maxChars: mostChars(longest.length),
    maxTokens: mostTokens(await engine.countTokens(baseModel, longest)),
  }
}

/** What is answered, and the parts that pairs are watched by. */
const answersOfPlan = async (
  engine: Engine,
  baseModel: string,
  { maxTurnsAfter }: Template,
  rows: PlannedRows
): Promise<Pick<InternalizationPlan, 'answers' | 'parts'>> => {
  const { train, traffic, kinds } = rows
  const answers = await answerRules(engine, baseModel, rows)
  const parts = planParts({
    kinds,
    sample: traffic.map(({ request, match }) => kindOf(request, match)),
    labels: answers.labels,
    answers: train.map(({ outcome }) => partNamesOf(answers, textOf(outcome) ?? '')),
    isSingle: maxTurnsAfter === 0,
  })
  return { answers, parts }
}

/**
 * What is answered, and its witness: the operator's checker of code, or a judge, with what answers may state of their
 * own, since what a judge compares can be wrong in more than its words.
 */
const withWitness = async (
  deps: WorkerDeps,
  engine: Engine,
  template: Template,
  { rows, baseModel, arms }: { rows: PlannedRows; baseModel: string; arms: number }
): Promise<Pick<InternalizationPlan, 'answers' | 'parts' | 'judge' | 'checker'>> => {
  const planned = await answersOfPlan(engine, baseModel, template, rows)
  const { responseType, form, train, traffic, unseen } = rows
  const { answers } = planned
  if (deps.checker !== null && responseType === 'code')
    return { ...planned, checker: deps.checker.planned }
  const heldOut = [...traffic, ...unseen]
  const judged = { comparison: answers, hasForm: form !== null, heldOut, arms }
  const judge = planJudge(deps, template, judged)
  if (judge === null) return planned
  const facts = knownFacts(
    train.flatMap(({ match, outcome }) => {
      const answer = textOf(outcome)
      if (answer === null) return []
      const [request, split] = [studentText(match), splitAnswer(answers, answer)]
      return { answer: writtenText(split), request, support: supportOf(request, split) }
    })
  )
  return { ...planned, answers: { ...answers, facts }, judge }
}

const idsOf = (exchanges: MatchedExchange[]): string[] => exchanges.map(({ id }) => id)

/** The lora of the predecessor, where the engine still has it. */
const successorPlan = async (
  { store }: WorkerDeps,
  models: ModelObject[],
  successor: Succession | undefined
): Promise<Pick<InternalizationPlan, 'successor'>> => {
  if (successor === undefined) return {}
  const predecessor = await store.internalizations.get(successor.of)
  const lora = predecessor === null ? null : winningLora(predecessor)
  // a head is trained anew, in seconds, and no lora starts from one
  const isThere = models.some(({ id, kind }) => id === lora && kind === undefined)
  return { successor: { ...successor, lora: isThere ? lora : null } }
}

/** Of the live route that a successor would replace; null where there is none. */
const livePlanOf = async (
  { store }: WorkerDeps,
  successor: Succession | undefined
): Promise<InternalizationPlan | null> => {
  const present = successor && (await store.internalizations.get(successor.of))
  return present?.state.name === 'live' ? present.plan : null
}

/** The rows of both sides, when and how they were drawn, and the form of the answers. */
const rowsOfPlan = (
  { train, traffic, unseen, earlierTries, kinds, form }: PlannedRows,
  { seed, burstMinutes }: WorkerDeps['config']
) => ({
  seed,
  trainRecordIds: idsOf(train),
  holdoutRecordIds: idsOf(traffic),
  unseenRecordIds: idsOf(unseen),
  holdout: holdoutTimeOf(nonEmpty(traffic.map(({ at }) => at))),
  burstMinutes,
  earlierTries,
  kinds,
  ...(form !== null && { form }),
})

/** @returns null also where no lora is trained */
const whyWithoutPrompt = (base: ModelObject): Reason | null =>
  trainsLoras(base)
    ? reasonOf('prompt-too-long', { tokens: base.max_model_len ?? null, model: base.id })
    : null

/** Why no arm is left: of the trained ones only where some are wanted. */
const whyNoArm = (
  { config }: WorkerDeps,
  { refused }: PlanRefusal,
  leftOut: readonly Reason[]
): PlanRefusal => {
  const isAnyTrained = config.arms.some((arm) => modelOfArm(arm) === null)
  const reasons = [...(isAnyTrained ? [refused] : []), ...leftOut]
  const [only] = reasons
  return { refused: reasons.length === 1 && only ? only : reasonOf('no-arm-left', { reasons }) }
}

interface Candidates {
  id: string
  head: ReturnType<typeof planHead>
  trained: readonly Arm[]
}

/** The arms that may be trained, and other models of the upstream; with why the others do not compete. */
const competingArms = async (
  deps: WorkerDeps,
  template: Template,
  rows: PlannedRows,
  { id, head, trained }: Candidates
): Promise<{ arms: Arm[]; leftOut: Reason[] } | PlanRefusal> => {
  const { untrained } = rows
  const models = await planModels(deps, template, rows, id)
  const arms = [...(untrained === null ? trained : []), ...models.arms]
  const refusal = untrained ?? (head.encoder === null ? head : null)
  if (arms.length === 0 && refusal !== null) return whyNoArm(deps, refusal, models.leftOut)
  return { arms, leftOut: [...(untrained === null ? [] : [untrained.refused]), ...models.leftOut] }
}

/**
 * @param options.id of the internalization
 * @param options.successor what it follows; empty for the first one of a template
 * @returns a refusal when nothing could go live
 */
export const planInternalization = async (
  deps: WorkerDeps,
  engine: Engine,
  template: Template,
  { id, successor, retry }: { id: string; successor?: Succession; retry?: Retry }
): Promise<InternalizationPlan | PlanRefusal> => {
  const known = await engine.models()
  const base = baseModelOf(engine, known)
  const rows = await planRows(deps, engine, known, {
    template,
    since: successor?.since ?? retry?.since,
    present: await livePlanOf(deps, successor),
  })
  if ('refused' in rows) return rows
  const { train } = rows
  const hasLoras = trainsLoras(base)
  const fitsPrompt = hasLoras && (await fitsWithPrompt(deps, engine, base, { template, train }))
  const { arms: wanted, stages } = deps.config
  const hasPrompt = fitsPrompt && stages > 1 && wanted.includes('schedule')
  const { dropOrder, templateTokens, passSeconds } = await planCompression(deps, engine, base.id, {
    template,
    train,
    hasPrompt,
  })
  const method = methodFor(base, train, fitsPrompt)
  const head = planHead(deps, rows, { encoder: encoderOf(known), hasLoras })
  const trained = planArms(deps, {
    method,
    hasLoras,
    hasPrompt,
    passSeconds,
    head,
    parameters: base.parameters ?? null,
    templateTokens,
    rows: train.length,
  })
  const competing = await competingArms(deps, template, rows, { id, head, trained })
  if ('refused' in competing) return competing
  const { arms, leftOut } = competing
  return {
    engine: engine.name,
    baseModel: base.id,
    ...rowsOfPlan(rows, deps.config),
    population: {
      ...rows.population,
      ...(await cutByHead(deps, engine, head, train)),
      withoutPrompt: fitsPrompt ? null : whyWithoutPrompt(base),
      ...(leftOut.length > 0 && { modelsLeftOut: leftOut }),
    },
    ...(await withWitness(deps, engine, template, { rows, baseModel: base.id, arms: arms.length })),
    dropOrder,
    templateTokens,
    method,
    ...(await successorPlan(deps, known, successor)),
    arms,
  }
}
