/**
 * The events of a webhook, made of history rows and rollout reports. They contain ids and figures. Texts
 * that may quote traffic, a person or another program are left out of their reasons. Pure.
 */
import {
  movedBorder,
  newlyWithheld,
  rolloutStageOf,
  type HistoryEntry,
  type Internalization,
  type InternalizationState,
} from '../../core/internalization/internalization.ts'
import type { EvidenceFigures } from '../../core/rollout/stages.ts'
import type { RolloutReport } from '../../lifecycle/rollout-report.ts'
import { changeReason } from '../../core/internalization/change-reason.ts'
import { withQuotes, type Reason, type ReasonCode } from '../../core/reason.ts'
import { sayReason } from '../../core/reasons/say-reason.ts'
import type { HistoryRow } from '../../store/store.ts'

export type EventType =
  | 'internalization.approval'
  | 'internalization.rejected'
  | 'internalization.failed'
  | 'rollout.promoted'
  | 'rollout.stage'
  | 'rollout.border'
  | 'rollout.narrowed'
  | 'rollout.withheld'
  | 'rollout.paused'
  | 'rollout.resumed'
  | 'rollout.drift'
  | 'rollout.rolled_back'
  | 'rollout.retired'
  | 'rollout.restored'

interface StateView {
  state: InternalizationState['name']
  /** of the traffic, in the stage of the rollout; null when it is not live */
  share: number | null
}

export interface SentReason {
  code: ReasonCode
  figures: object
  /** the same in words */
  says: string
}

interface EventData {
  template: string
  tenant: string
  internalization: string
  /** null for the first state */
  from: StateView | null
  to: StateView
  /** `worker`, `admin` or `cli` */
  by: string
  /** null without any, and where it is nothing but the words of a person or of another program */
  reason: SentReason | null
  /** of the audited pairs that led to the event; null when other causes did */
  evidence: EvidenceFigures | null
  /** of the verdict; null before there is one */
  proof: { coverage: number; agreementAnswered: number; agreementAnsweredBound: number } | null
}

export interface WebhookEvent {
  /** the same in each attempt; letters, digits, `-` and `_` */
  id: string
  /** when it happened, milliseconds since the epoch */
  at: number
  type: EventType
  data: EventData
}

/** @returns null for a change of which the operator is not told */
export const eventTypeOf = (entry: HistoryEntry): EventType | null => {
  const { from, to } = entry
  const border = movedBorder(entry)
  if (border !== null) return border.narrowing ? 'rollout.narrowed' : 'rollout.border'
  if (newlyWithheld(entry).length > 0) return 'rollout.withheld'
  switch (to.name) {
    case 'approval':
    case 'rejected':
    case 'failed':
      return `internalization.${to.name}`
    case 'live':
      if (from?.name === 'live') {
        if (to.stage?.isPaused) return 'rollout.paused'
        return from.stage?.isPaused ? 'rollout.resumed' : 'rollout.stage'
      }
      return from?.name === 'retired' ? 'rollout.restored' : 'rollout.promoted'
    case 'retired':
      // retired again for another reason
      if (from?.name !== 'live') return null
      return to.reason.code === 'replaced' ? 'rollout.retired' : 'rollout.rolled_back'
    default:
      return null
  }
}

const stateView = (state: InternalizationState): StateView => ({
  state: state.name,
  share: rolloutStageOf(state)?.share ?? null,
})

/** Named one by one, so that a text beside the figures is not sent by accident. */
const evidenceView = (figures: EvidenceFigures): EvidenceFigures => ({
  pairs: figures.pairs,
  losses: figures.losses,
  credits: figures.credits,
  interval: figures.interval,
  margin: figures.margin,
  proven: figures.proven,
  least: figures.least,
  rollback: figures.rollback,
  drift: figures.drift,
  step: figures.step,
  stagePairs: figures.stagePairs,
  roseAt: figures.roseAt,
  sinceRise: figures.sinceRise,
})

const proofOf = ({ verdict }: Internalization): EventData['proof'] => {
  const figures = verdict?.arms[verdict.arm]
  if (figures === undefined) return null
  const { coverage, agreementAnswered, agreementAnsweredBound } = figures
  return { coverage, agreementAnswered, agreementAnsweredBound }
}

const evidenceOf = (state: InternalizationState): EvidenceFigures | null =>
  (state.name === 'live' || state.name === 'retired' ? state.evidence : null) ?? null

/** Codes whose figures are nothing but a quote of a person, or of another program. */
const QUOTES: ReadonlySet<ReasonCode> = new Set(['said', 'error', 'unsupported-format'])

/** Without what it quotes. @returns null where nothing else is left */
const sentReason = (reason: Reason | null): SentReason | null => {
  if (reason === null || QUOTES.has(reason.code)) return null
  const hidden = withQuotes(reason, () => '…')
  return { ...hidden, says: sayReason(hidden).says }
}

const idsOf = (row: Internalization) => ({
  template: row.templateVersion,
  tenant: row.tenant,
  internalization: row.id,
})

/** @param row the internalization as it is now; its state may be a later one */
export const historyEvent = (
  type: EventType,
  entry: HistoryRow,
  row: Internalization
): WebhookEvent => {
  const { place, at, from, to, by } = entry
  const evidence = evidenceOf(to)
  return {
    // places begin at 1 in each database, and a restored backup uses them again
    id: `${row.id}-${place}-${at}`,
    at,
    type,
    data: {
      ...idsOf(row),
      from: from === null ? null : stateView(from),
      to: stateView(to),
      by,
      reason: sentReason(changeReason(entry)),
      evidence: evidence && evidenceView(evidence),
      proof: proofOf(row),
    },
  }
}

/** @param driftedAt of the report */
export const driftEvent = (
  row: Internalization,
  { stage, evidence, drift }: RolloutReport,
  driftedAt: number
): WebhookEvent => {
  const state = { state: 'live', share: stage.share } as const
  return {
    id: `${row.id}-drift-${driftedAt}`,
    at: driftedAt,
    type: 'rollout.drift',
    data: {
      ...idsOf(row),
      from: state,
      to: state,
      by: 'worker',
      reason: sentReason(drift),
      evidence: evidenceView(evidence),
      proof: proofOf(row),
    },
  }
}

/** The body of the request: the same bytes in each attempt. */
export const bodyOf = ({ type, at, data }: WebhookEvent): string =>
  JSON.stringify({ type, timestamp: new Date(at).toISOString(), data })
