/**
 * Admits the judge of an internalization by faults that are planted into the upstream's second answers. What it said is
 * stored batch by batch, so a crash repeats at most one batch of paid calls.
 */
import { hash } from 'node:crypto'
import type { Comparison } from '../../core/answer/agreement.ts'
import {
  judgedTexts,
  splitAnswer,
  textPairs,
  type SplitAnswer,
  type TextPair,
} from '../../core/answer/written-fields.ts'
import { groupBy } from '../../core/group-by.ts'
import { admit, isCaught, isFalseAlarm, type Admission } from '../../core/judge/admission.ts'
import {
  FAULTS,
  plantFaults,
  type Fault,
  type PlantedFault,
  type SoundAnswer,
} from '../../core/judge/planted-faults.ts'
import type { JudgeVerdict } from '../../core/judge/verdict.ts'
import type { PlannedJudge } from '../../core/internalization/internalization.ts'
import { studentText } from '../../core/template/prompt.ts'
import { readJsonSnapshot, saveJsonSnapshot } from '../../store/json-snapshot.ts'
import type { EvaluationRow, Store } from '../../store/store.ts'
import { LANES } from '../answers/ask-model.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import type { Judge, JudgedPair } from './judge.ts'
import type { ReportJudged } from './judge-rows.ts'
import { itemAt } from '../../core/lists.ts'

/** Prefix of the snapshots with what a judge said of planted faults. */
export const PLANTED = 'planted-faults:'

/** What was said, by the digest of what was asked: texts that are forgotten in between change which faults there are. */
type Said = Record<string, JudgedPair>

interface JudgedSecond {
  exchange: MatchedExchange
  /** the upstream's answers of today */
  first: SplitAnswer
  second: SplitAnswer
  verdict: JudgeVerdict
}

const byRecord = (one: EvaluationRow, other: EvaluationRow): number =>
  one.recordId < other.recordId ? -1 : 1

/**
 * The upstream's pairs of texts, at most one of a conversation; in one order, also after a restart. Pairs that other
 * fields tell apart say nothing of the judge, which has not read them.
 */
const fairPairs = ({ comparison, rows, exchanges }: AdmittedBy): JudgedSecond[] => {
  const seen = new Set<string>()
  return rows.toSorted(byRecord).flatMap((row) => {
    const exchange = exchanges.get(row.recordId)
    const judged = row.judged?.second
    if (exchange === undefined || !judged || !row.upstreamAnswer || !row.secondAnswer) return []
    if (seen.has(exchange.conversation)) return []
    const first = splitAnswer(comparison, row.upstreamAnswer)
    const second = splitAnswer(comparison, row.secondAnswer)
    if (textPairs(first, second) === null) return []
    seen.add(exchange.conversation)
    const verdict = judged.isFactWrong ? 'different' : judged.verdict
    return { exchange, first, second, verdict }
  })
}

const textsOf = ({ texts }: SplitAnswer): string[] => texts.map(({ text }) => text)

const placesOf = ({ texts }: SplitAnswer): string => texts.map(({ path }) => path).join('\n')

/**
 * The answer to another request is that of the next but half of those with texts in the same places: neighbours may be
 * alike.
 */
const soundAnswers = (pairs: readonly JudgedSecond[]): (SoundAnswer & JudgedSecond)[] => {
  const sound = pairs.filter(({ verdict }) => verdict === 'same')
  const alike = groupBy(sound, ({ second }) => placesOf(second))
  return [...alike.values()].flatMap((group) =>
    group.map((pair, at) => {
      const other = group[(at + Math.ceil(group.length / 2)) % group.length]
      const others = other === undefined || other === pair ? null : textsOf(other.second)
      return { ...pair, texts: textsOf(pair.second), others }
    })
  )
}

interface AdmissionDeps {
  judge: Pick<Judge, 'ask'>
  store: Pick<Store, 'snapshots' | 'internalizations'>
  report: ReportJudged
}

interface Asked {
  fault: Fault
  key: string
  request: string
  pairs: readonly TextPair[]
}

/**
 * The faulty answer beside the upstream's first one, as an arm's answer is asked about.
 * @returns null where both are equal: an answer to another request may be right for this one
 */
const askedOf = (
  { fault, place, texts }: PlantedFault,
  sound: readonly (SoundAnswer & JudgedSecond)[]
): Asked | null => {
  const { first, second, exchange } = itemAt(sound, place)
  const faulty = second.texts.map(({ path }, at) => ({ path, text: texts[at] ?? '' }))
  const pairs = textPairs(first, { ...second, texts: faulty }) ?? []
  if (pairs.length === 0) return null
  const request = studentText(exchange.match)
  const asked = JSON.stringify({ request, ...judgedTexts(pairs) })
  return { fault, key: hash('sha256', asked, 'hex').slice(0, 32), request, pairs }
}

/** @returns what was said of each, in their order; null where no money is left */
const askPlanted = async (
  { judge, store, report }: AdmissionDeps,
  id: string,
  asked: readonly Asked[]
): Promise<JudgedPair[] | null> => {
  const said = (await readJsonSnapshot<Said>(store, PLANTED + id)) ?? {}
  const open = asked.filter(({ key }) => said[key] === undefined)
  for (let start = 0; start < open.length; start += LANES) {
    const batch = open.slice(start, start + LANES)
    const settled = await Promise.allSettled(
      batch.map(async ({ key, request, pairs }) => {
        const one = await judge.ask(request, pairs)
        if (one !== null) said[key] = one
      })
    )
    await saveJsonSnapshot(store, PLANTED + id, said)
    const failed = settled.find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
    if (batch.some(({ key }) => said[key] === undefined)) return null
    const done = asked.length - open.length + start + batch.length
    await report({ compares: 'planted', done, of: asked.length })
  }
  return asked.flatMap(({ key }) => said[key] ?? [])
}

/** Internalizations of the template whose verdict the same judge was part of. */
const earlierTries = async (
  { store }: AdmissionDeps,
  { id, templateVersion }: AdmittedFor,
  { model, rubricDigest }: Pick<PlannedJudge, 'model' | 'rubricDigest'>
): Promise<number> =>
  (await store.internalizations.list({ recordIds: false })).filter(
    ({ id: other, templateVersion: version, verdict, plan }) =>
      other !== id &&
      version === templateVersion &&
      verdict !== null &&
      plan?.judge?.model === model &&
      plan.judge.rubricDigest === rubricDigest
  ).length

interface AdmittedFor {
  id: string
  templateVersion: string
}

interface AdmittedBy {
  planned: PlannedJudge
  comparison: Comparison
  seed: number
  /** of the first arm, with the judge's verdicts on the upstream's second answers */
  rows: readonly EvaluationRow[]
  exchanges: ReadonlyMap<string, MatchedExchange>
}

/** The version that an admission names is the first that a reply had; with several it holds for none. */
export interface Admitted {
  admission: Admission
  /** of all replies about planted faults */
  versions: readonly string[]
}

/**
 * @returns null where no money is left
 * @throws WitnessUnavailable where the judge does not answer for the moment
 */
export const admitJudge = async (
  deps: AdmissionDeps,
  internalization: AdmittedFor,
  admitted: AdmittedBy
): Promise<Admitted | null> => {
  const { model, rubric, rubricDigest } = admitted.planned
  const pairs = fairPairs(admitted)
  const sound = soundAnswers(pairs)
  const asked = plantFaults(sound, admitted.seed).flatMap((one) => askedOf(one, sound) ?? [])
  const said = await askPlanted(deps, internalization.id, asked)
  if (said === null) return null
  const versions = [...new Set(said.flatMap((one) => one.versions))]
  const admission = admit({
    judge: { model, version: versions[0] ?? '', rubric, rubricDigest },
    faults: FAULTS.map((fault) => {
      const own = said.filter((_, at) => asked[at]?.fault === fault)
      const caught = own.filter(({ verdict }) => isCaught(verdict)).length
      return { fault, planted: own.length, caught }
    }),
    fair: {
      pairs: pairs.length,
      alarms: pairs.filter(({ verdict }) => isFalseAlarm(verdict)).length,
    },
    earlierTries: await earlierTries(deps, internalization, { model, rubricDigest }),
  })
  return { admission, versions }
}
