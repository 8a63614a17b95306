/**
 * Which other models of `ARMS` compete. Their answers cost money, so a model is left out, with the reason, where it is
 * not cheaper, where nobody has allowed the cost, or where the upstream does not answer with it.
 */
import { answerOfModel } from '../../core/answer/outcome.ts'
import type { Price } from '../../core/cost/prices.ts'
import { reasonOf, type Reason } from '../../core/reason.ts'
import { reasonText } from '../../core/reasons/say-reason.ts'
import { isSuccess } from '../../core/http-status.ts'
import { validationCount, type Arm } from '../../core/internalization/internalization.ts'
import { modelOfArm } from '../../core/learn/schedule.ts'
import { completionOf } from '../../core/log/record-bodies.ts'
import type { StoredRecord } from '../../core/log/record.ts'
import type { OtherModel } from '../../core/route/route.ts'
import type { Template } from '../../core/template/template.ts'
import { readByIds } from '../../lifecycle/logged-texts.ts'
import { CHAT, dialectOfRecord } from '../../openai/dialect.ts'
import { expectedCost, refusalOf, type AskDeps, type AskedModel } from '../answers/ask-model.ts'
import type { WorkerDeps } from '../deps.ts'
import { openProofBudget, type Pay } from '../answers/proof-budget.ts'
import { buyAnswer } from '../answers/row-answers.ts'
import type { PlannedRows } from './rows.ts'
import { itemAt, lastOf, nonEmpty } from '../../core/lists.ts'

export interface PlannedModels {
  arms: Arm[]
  /** why each of the others does not compete */
  leftOut: Reason[]
}

/** The logged requests that each arm is asked for. */
const readAsked = async (
  { store }: WorkerDeps,
  { train, traffic, unseen }: PlannedRows
): Promise<StoredRecord[]> => {
  const validation = train.slice(train.length - validationCount(train.length))
  const ids = new Set([...traffic, ...unseen, ...validation].map(({ id }) => id))
  const records: StoredRecord[] = []
  for await (const record of readByIds(store.records, [...ids]))
    if (record.request !== '' && dialectOfRecord(record) === CHAT) records.push(record)
  return records
}

const medianUsd = (records: readonly StoredRecord[], price: Price): number => {
  const costs = records.map((record) => expectedCost(record, price)).toSorted((a, b) => a - b)
  return itemAt(costs, Math.floor(costs.length / 2))
}

/** What is known before anything is paid. */
const priceOfModel = (
  { priceOf }: WorkerDeps,
  name: string,
  { model }: Template,
  records: readonly StoredRecord[]
): Price | Reason => {
  if (name === model) return reasonOf('model-is-present', { model })
  if (records.length === 0) return reasonOf('model-without-chat', { model: name })
  const [price, present] = [priceOf(name), priceOf(model)]
  if (price === null || present === null)
    return reasonOf('model-without-price', { model: name, of: price === null ? name : model })
  const [own, usual] = [medianUsd(records, price), medianUsd(records, present)]
  return own < usual
    ? price
    : reasonOf('model-not-cheaper', { model: name, usd: own, present: model, presentUsd: usual })
}

/** Other models may not know every member, and log-probabilities in particular. */
const probe = async (
  deps: AskDeps & { pay: Pay },
  record: StoredRecord,
  model: AskedModel
): Promise<Pick<OtherModel, 'hasLogprobs'> | Reason> => {
  const { name } = model
  const sent = await buyAnswer(deps, record, model)
  if (sent === null) return reasonOf('model-budget-spent', { model: name })
  const { answer } = sent
  if (typeof answer === 'string')
    return reasonOf(answer === 'not-sent' ? 'model-not-sendable' : 'model-silent', { model: name })
  if (!isSuccess(answer.status)) {
    if (model.addsLogprobs && [400, 422].includes(answer.status))
      return probe(deps, record, { ...model, addsLogprobs: false })
    return reasonOf('model-refused', { model: name, ...refusalOf(answer) })
  }
  const given = answerOfModel(completionOf({ path: record.path, response: answer.body }))
  if (given === null) return reasonOf('model-no-completion', { model: name })
  return { hasLogprobs: model.addsLogprobs === true && given.logprobs.length > 0 }
}

interface Proof {
  /** of the internalization */
  id: string
  pay: Pay
  records: readonly StoredRecord[]
  /** US dollars that the models before are expected to cost */
  plannedUsd: number
}

const planModel = async (
  deps: WorkerDeps,
  name: string,
  template: Template,
  { id, pay, records, plannedUsd }: Proof
): Promise<{ arm: Arm; usd: number } | Reason> => {
  const { askUpstream, sleep, config } = deps
  if (askUpstream === null) return reasonOf('model-without-key', { model: name })
  const price = priceOfModel(deps, name, template, records)
  if ('code' in price) return price
  const usd = records.reduce((sum, record) => sum + expectedCost(record, price), 0)
  const proof = { model: name, requests: records.length, usd }
  const { proofUsd } = config
  if (proofUsd === null) return reasonOf('model-unpaid', proof)
  const leftUsd = proofUsd - plannedUsd
  if (usd > leftUsd) return reasonOf('model-over-budget', { ...proof, leftUsd })
  const asked = { name, price, addsLogprobs: true }
  const probed = await probe({ ask: askUpstream, sleep, pay }, lastOf(nonEmpty(records)), asked)
  if ('code' in probed) return probed
  const armName = `model:${name}` as const
  const model = { name, ...probed, id: `${armName}:${id.slice(0, 8)}` }
  return { arm: { name: armName, model, stages: [], results: [] }, usd }
}

/** @param id of the internalization */
export const planModels = async (
  deps: WorkerDeps,
  template: Template,
  rows: PlannedRows,
  id: string
): Promise<PlannedModels> => {
  const planned: PlannedModels = { arms: [], leftOut: [] }
  const names = deps.config.arms.flatMap((arm) => modelOfArm(arm) ?? [])
  if (names.length === 0) return planned
  const records = await readAsked(deps, rows)
  const { models: pay } = await openProofBudget(deps.store, id, deps.config.proofUsd)
  let plannedUsd = 0
  for (const name of names) {
    const one = await planModel(deps, name, template, { id, pay, records, plannedUsd })
    if ('code' in one) {
      planned.leftOut.push(one)
      const data = { template: template.version }
      deps.log({ level: 'warn', message: reasonText(one), data })
    } else {
      planned.arms.push(one.arm)
      plannedUsd += one.usd
    }
  }
  return planned
}
