/**
 * The stored answers of an evaluation, judged once more: the worker's rows, comparisons and gate, another witness. Each
 * verdict counts as the first one, at its level. Nothing is stored.
 */
import { existsSync } from 'node:fs'
import { parseConfig } from '../../src/config/config.ts'
import { agree, type Comparison } from '../../src/core/answer/agreement.ts'
import { textOf } from '../../src/core/answer/outcome.ts'
import type { CheckerFacts } from '../../src/core/gate/checker.ts'
import { decideOn, type Verdict } from '../../src/core/proof/decision-facts.ts'
import type {
  Internalization,
  InternalizationPlan,
} from '../../src/core/internalization/internalization.ts'
import { databasePath } from '../../src/store/sqlite/base/database-path.ts'
import { openLocalStore } from '../../src/store/sqlite/local.ts'
import type { EvaluationRow, OpenStore } from '../../src/store/store.ts'
import type { Checker } from '../../src/worker/deps.ts'
import { openComparison } from '../../src/worker/exchanges/comparison.ts'
import type { MatchedExchange } from '../../src/worker/exchanges/exchanges.ts'
import {
  exchangesIn,
  factsOf,
  setsOf,
  type EvaluationSets,
} from '../../src/worker/internalize/collect-facts.ts'
import { checkerOf, checkEvaluation } from '../../src/worker/judge/check-evaluation.ts'
import type { Evaluation } from '../../src/worker/judge/judge-evaluation.ts'

export interface WitnessedVerdict {
  witness: 'equality' | 'structure' | 'checker'
  verdict: Verdict
}

interface Stored extends Evaluation {
  sets: EvaluationSets
}

const isPlanned = (one: Internalization): one is Internalization & { plan: InternalizationPlan } =>
  one.plan !== null

/** @throws Error where no answer is stored, or the upstream was asked again */
const readStored = async (store: OpenStore, dataDir: string): Promise<Stored> => {
  const internalization = (await store.internalizations.list()).findLast(isPlanned)
  if (internalization === undefined) throw new Error(`${dataDir} has no internalization`)
  const { id, plan, templateVersion } = internalization
  const template = await store.templates.get(templateVersion)
  if (template === null) throw new Error(`${dataDir} has no template ${templateVersion}`)
  const sets = await setsOf(store, plan, template)
  const rows = await store.internalizations.evaluations(id)
  if (rows.length === 0) throw new Error(`${dataDir} has no held-out answer`)
  if (rows.some(({ fresh }) => fresh !== null))
    throw new Error(`${dataDir} has fresh answers of the upstream, which are not compared here`)
  // what an earlier checker said would not be asked again
  const unjudged = rows.map((row) => ({ ...row, judged: null }))
  return { internalization, plan, sets, exchanges: exchangesIn(sets), rows: unjudged }
}

const agreesWith = (
  comparison: Comparison,
  { answer, deferred }: EvaluationRow,
  exchange: MatchedExchange | undefined
): boolean => {
  const logged = exchange === undefined ? null : textOf(exchange.outcome)
  return deferred === null && logged !== null && agree(comparison, answer, logged)
}

const comparedBy = (comparison: Comparison, { rows, exchanges }: Stored): EvaluationRow[] =>
  rows.map((row) => ({
    ...row,
    agrees: agreesWith(comparison, row, exchanges.get(row.recordId)),
  }))

const checkedBy = async (
  checker: Checker,
  store: OpenStore,
  stored: Stored
): Promise<{ rows: readonly EvaluationRow[]; checker: CheckerFacts }> => {
  const { planned } = checker
  const plan = { ...stored.plan, checker: planned }
  const kept: OpenStore = {
    ...store,
    internalizations: { ...store.internalizations, addEvaluations: async () => undefined },
    snapshots: { ...store.snapshots, put: async () => undefined },
  }
  const witness = checkerOf({ checker }, plan)!
  return checkEvaluation({ store: kept, now: Date.now }, witness, planned, { ...stored, plan })
}

/** The margin and the least coverage are those of the verdict; of an interrupted evaluation, the defaults. */
const decided = (
  { internalization: { verdict }, plan, sets }: Stored,
  rows: readonly EvaluationRow[],
  checker: CheckerFacts | null
): Verdict =>
  decideOn(
    factsOf(plan, verdict ?? parseConfig({}).internalize, rows, { ...sets, judge: null, checker })
  )

/**
 * By equality, by structure where the answers have one, and by the checker; of an interrupted evaluation, over the
 * answers that are stored.
 * @param dataDir of a proxy that has ended; it stays as it is
 * @throws Error where no answer is stored, or the upstream was asked again
 */
export const judgeStored = async (
  dataDir: string,
  checker: Checker | null
): Promise<WitnessedVerdict[]> => {
  if (!existsSync(databasePath(dataDir))) throw new Error(`there is no data in ${dataDir}`)
  const store = await openLocalStore({ dataDir }, Date.now)
  try {
    const stored = await readStored(store, dataDir)
    const { structure, ...text } = stored.plan.answers
    await openComparison({ structure })
    const bySame = (
      witness: 'equality' | 'structure',
      comparison: Comparison
    ): WitnessedVerdict => ({
      witness,
      verdict: decided(stored, comparedBy(comparison, stored), null),
    })
    const verdicts = [bySame('equality', text)]
    if (structure !== undefined) verdicts.push(bySame('structure', { ...text, structure }))
    if (checker === null) return verdicts
    const { rows, checker: facts } = await checkedBy(checker, store, stored)
    return [...verdicts, { witness: 'checker', verdict: decided(stored, rows, facts) }]
  } finally {
    await store.close()
  }
}
