/**
 * Admits the judge of an internalization by faults that are planted into the upstream's second answers. What it said is
 * stored batch by batch, so a crash repeats at most one batch of paid calls.
 */
import { admit, isCaught, isFalseAlarm, type Admission } from '../../core/judge/admission.ts'
import {
  FAULTS,
  plantFaults,
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
import type { Judge } from './judge.ts'
import type { ReportJudged } from './judge-rows.ts'

/** Prefix of the snapshots with what a judge said of planted faults. */
export const PLANTED = 'planted-faults:'

interface Said {
  /** of the judge that said it */
  version: string
  /** in the order of the faults */
  verdicts: JudgeVerdict[]
}

interface JudgedSecond {
  row: EvaluationRow
  exchange: MatchedExchange
  verdict: JudgeVerdict
}

/** The upstream's pairs of texts, at most one of a conversation. */
const fairPairs = (
  rows: readonly EvaluationRow[],
  exchanges: ReadonlyMap<string, MatchedExchange>
): JudgedSecond[] => {
  const seen = new Set<string>()
  return rows.flatMap((row) => {
    const exchange = exchanges.get(row.recordId)
    const second = row.judged?.second
    if (exchange === undefined || !second || !row.upstreamAnswer || !row.secondAnswer) return []
    if (seen.has(exchange.conversation)) return []
    seen.add(exchange.conversation)
    return { row, exchange, verdict: second.isFactWrong ? 'different' : second.verdict }
  })
}

/** The answer to another request is that of the next but half of them: neighbours may be alike. */
const soundAnswers = (pairs: readonly JudgedSecond[]): (SoundAnswer & JudgedSecond)[] => {
  const sound = pairs.filter(({ verdict }) => verdict === 'same')
  return sound.map((pair, at) => {
    const other = sound[(at + Math.ceil(sound.length / 2)) % sound.length]!
    return {
      ...pair,
      text: pair.row.secondAnswer ?? '',
      other: other === pair ? '' : (other.row.secondAnswer ?? ''),
    }
  })
}

export interface AdmissionDeps {
  judge: Judge
  store: Pick<Store, 'snapshots' | 'internalizations'>
  report: ReportJudged
}

/** @returns null where no money is left */
const askPlanted = async (
  { judge, store, report }: AdmissionDeps,
  id: string,
  planted: readonly PlantedFault[],
  sound: readonly (SoundAnswer & JudgedSecond)[]
): Promise<Said | null> => {
  const known = await readJsonSnapshot<Said>(store, PLANTED + id)
  const verdicts = known?.verdicts ?? []
  while (verdicts.length < planted.length) {
    const batch = planted.slice(verdicts.length, verdicts.length + LANES)
    const said = await Promise.all(
      batch.map(({ place, text }) => {
        const { row, exchange } = sound[place]!
        const first = row.upstreamAnswer ?? ''
        return judge.ask({ request: studentText(exchange.match), first, other: text })
      })
    )
    if (said.includes(null)) return null
    verdicts.push(...said.flatMap((verdict) => verdict ?? []))
    const version = known?.version ?? judge.version() ?? ''
    await saveJsonSnapshot(store, PLANTED + id, { version, verdicts } satisfies Said)
    await report({ compares: 'planted', done: verdicts.length, of: planted.length })
  }
  return { version: known?.version ?? judge.version() ?? '', verdicts }
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

export interface AdmittedFor {
  id: string
  templateVersion: string
}

interface AdmittedBy {
  planned: PlannedJudge
  seed: number
  /** of the first arm, with the judge's verdicts on the upstream's second answers */
  rows: readonly EvaluationRow[]
  exchanges: ReadonlyMap<string, MatchedExchange>
}

/**
 * @returns null where no money is left
 * @throws AppError `upstream-unavailable` where the judge does not answer for the moment
 */
export const admitJudge = async (
  deps: AdmissionDeps,
  internalization: AdmittedFor,
  { planned: { model, rubric, rubricDigest }, seed, rows, exchanges }: AdmittedBy
): Promise<Admission | null> => {
  const pairs = fairPairs(rows, exchanges)
  const sound = soundAnswers(pairs)
  const planted = plantFaults(sound, seed)
  const said = await askPlanted(deps, internalization.id, planted, sound)
  if (said === null) return null
  return admit({
    judge: { model, version: said.version, rubric, rubricDigest },
    faults: FAULTS.map((fault) => {
      const own = planted.flatMap((one, at) => (one.fault === fault ? said.verdicts[at]! : []))
      return { fault, planted: own.length, caught: own.filter(isCaught).length }
    }),
    fair: {
      pairs: pairs.length,
      alarms: pairs.filter(({ verdict }) => isFalseAlarm(verdict)).length,
    },
    earlierTries: await earlierTries(deps, internalization, { model, rubricDigest }),
  })
}
