/**
 * The proof of one internalization in one file: all figures with which an outsider computes the decision
 * and the evidence of its rollout again (`verify-proof.ts`). It has no text of a request or an answer.
 * docs/evidence.md describes it. Knows nothing of stores.
 */
import type { Verdict } from '../gate/gate.ts'
import type { ArmName } from '../learn/schedule.ts'
import {
  borderOf,
  type HistoryEntry,
  type Internalization,
  type InternalizationPlan,
  type InternalizationState,
  type ProvenVerdict,
} from '../internalization/internalization.ts'
import type { Border } from '../rollout/border.ts'
import type { OutcomeFigures } from '../outcomes/outcome-figures.ts'
import type { EvidenceFigures, RolloutStage } from '../rollout/stages.ts'
import type { Template } from '../template/template.ts'
import type { ArmFacts, DecisionFacts, HeldOutRecord } from './decision-facts.ts'
import { digestOf, digestOfIds, digestOfRows, digestOfText } from './digest.ts'
import type { RolloutPart } from './rollout-part.ts'
import { withQuotes, type Reason } from '../reason.ts'
import type { ArmFigures } from '../gate/figures.ts'

/**
 * Replaces the values in the names of slices by numbers: `plan=pro` becomes `plan=#2`. A value may be a word of
 * a request. A hash of a short word can be guessed, a number cannot. Knows nothing of stores or files.
 */
interface HiddenValues {
  records(records: readonly HeldOutRecord[]): HeldOutRecord[]
  verdict(verdict: Verdict): Verdict
  /** of a verdict, which may name slices */
  reason(reason: Reason): Reason
}

type Sliced = Pick<HeldOutRecord, 'slices'>

/** Of each value: its name in the file. Numbers are in the order of the rows. */
const namesOf = (records: readonly Sliced[]): Map<string, string> => {
  const names = new Map<string, string>()
  const counts = new Map<string, number>()
  for (const slice of new Set(records.flatMap(({ slices }) => slices))) {
    const end = slice.indexOf('=')
    if (end < 0) continue
    const name = slice.slice(0, end)
    const number = (counts.get(name) ?? 0) + 1
    counts.set(name, number)
    names.set(slice, `${name}=#${number}`)
  }
  return names
}

/** @param known the held-out rows, which have all slices */
export const hideValues = (known: readonly Sliced[]): HiddenValues => {
  const names = namesOf(known)
  const hide = (slice: string): string => names.get(slice) ?? slice
  const hideIn = (reason: Reason): Reason =>
    withQuotes(reason, (member, quoted) => (member === 'slice' ? hide(quoted) : quoted))
  const figures = ({ slices, ...rest }: ArmFigures): ArmFigures => ({
    ...rest,
    slices: slices.map((one) => ({ ...one, slice: hide(one.slice) })),
  })
  return {
    records: (records) =>
      records.map(({ slices, ...rest }) => ({ ...rest, slices: slices.map(hide) })),
    verdict: ({ reason, arms, ...rest }) => ({
      ...rest,
      reason: hideIn(reason),
      arms: arms.map(figures),
    }),
    reason: hideIn,
  }
}

/** Raised when a reader of the format before would read a file wrong. */
export const PROOF_FORMAT = 1

/** One change of the state. */
export interface HistoryStep {
  /** milliseconds since the epoch */
  at: number
  /** the cause: `worker`, `admin` or `cli` */
  by: string
  /** why, in the words of the person who decided; null without */
  note: string | null
  state: InternalizationState['name']
  /** of a rejection or a retirement; else null */
  reason: Reason | null
  /** of a live one; else null */
  stage: RolloutStage | null
  /** in force, where pairs have proved it; else null, as in the files of versions without */
  border?: Border | null
  /** of the pairs, if they were the reason; else null */
  evidence: EvidenceFigures | null
  /** of users' feedback, if it was the reason; else null */
  feedback: OutcomeFigures | null
}

export interface ProofFile {
  format: typeof PROOF_FORMAT
  /** version of promptintern-proxy */
  writtenBy: string
  /** milliseconds since the epoch */
  writtenAt: number
  internalization: { id: string; createdAt: number; state: InternalizationState['name'] }
  template: {
    version: string
    /** of the upstream; null after the template was deleted, as `textDigest` */
    model: string | null
    tenantDigest: string
    textDigest: string | null
  }
  training: {
    engine: string
    baseModel: string
    method: string
    seed: number
    /** ids, in the order of time */
    records: string[]
    recordsDigest: string
    arms: { arm: ArmName; encoder: string | null; loras: string[] }[]
  }
  decision: Omit<DecisionFacts, 'arms'> & {
    /** version of promptintern-proxy */
    madeBy: string
    /** rows of each sample; a row may be in both */
    counts: { traffic: number; unseen: number }
    recordsDigest: string
    arms: (ArmFacts & { rowsDigest: string })[]
  }
  verdict: Verdict
  history: HistoryStep[]
  /** null before the first pair of a live route was judged */
  rollout: RolloutPart | null
  /** of all members before it */
  digest: string
}

/** What the file is made of. */
export interface ProofParts {
  writtenBy: string
  writtenAt: number
  internalization: Internalization & { plan: InternalizationPlan; verdict: ProvenVerdict }
  /** null after it was deleted */
  template: Template | null
  facts: DecisionFacts
  /** version of promptintern-proxy that collected the facts */
  madeBy: string
  history: readonly HistoryEntry[]
  rollout: RolloutPart | null
}

const stepOf = (entry: HistoryEntry, hidden: HiddenValues): HistoryStep => {
  const { at, by, to, note } = entry
  const reason = to.name === 'rejected' || to.name === 'retired' ? to.reason : null
  return {
    at,
    by,
    note,
    state: to.name,
    reason: reason && hidden.reason(reason),
    stage: (to.name === 'live' && to.stage) || null,
    border: borderOf(to),
    evidence: ('evidence' in to && to.evidence) || null,
    feedback: (to.name === 'retired' && to.feedback) || null,
  }
}

const trainingOf = (plan: InternalizationPlan): ProofFile['training'] => ({
  engine: plan.engine,
  baseModel: plan.baseModel,
  method: plan.method,
  seed: plan.seed,
  records: plan.trainRecordIds,
  recordsDigest: digestOfIds(plan.trainRecordIds),
  arms: plan.arms.map(({ name, encoder = null, model, results }) => ({
    arm: name,
    encoder,
    loras: model === undefined ? results.map(({ lora }) => lora) : [model.id],
  })),
})

const decisionOf = (
  facts: DecisionFacts,
  madeBy: string,
  hidden: HiddenValues
): ProofFile['decision'] => {
  const records = hidden.records(facts.records)
  return {
    ...facts,
    madeBy,
    counts: {
      traffic: records.filter(({ isTraffic }) => isTraffic).length,
      unseen: records.filter(({ isUnseen }) => isUnseen).length,
    },
    records,
    recordsDigest: digestOfIds(records.map(({ id }) => id)),
    arms: facts.arms.map((arm) => ({ ...arm, rowsDigest: digestOfRows(records, arm.answers) })),
  }
}

export const makeProofFile = (parts: ProofParts): ProofFile => {
  const { writtenBy, writtenAt, internalization, template, facts, madeBy } = parts
  const { id, createdAt, state, tenant, templateVersion, plan, verdict } = internalization
  const hidden = hideValues(facts.records)
  // names of fields are text of answers
  const { baseline: _baseline, fields: _fields, ...judged } = verdict
  const file = {
    format: PROOF_FORMAT,
    writtenBy,
    writtenAt,
    // the history was read later than the internalization
    internalization: { id, createdAt, state: (parts.history.at(-1)?.to ?? state).name },
    template: {
      version: templateVersion,
      model: template?.model ?? null,
      tenantDigest: digestOfText(tenant),
      textDigest: template && digestOf(template.messages),
    },
    training: trainingOf(plan),
    decision: decisionOf(facts, madeBy, hidden),
    verdict: hidden.verdict(judged),
    history: parts.history.map((entry) => stepOf(entry, hidden)),
    rollout: parts.rollout,
  } satisfies Omit<ProofFile, 'digest'>
  return { ...file, digest: digestOf(file) }
}
