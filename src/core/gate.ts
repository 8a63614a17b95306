/** The promotion decision and every figure it was made from. */
import type { ConfidenceStatistic } from './route.ts'
import type { ArmName } from './internalization.ts'

export type ResponseType = 'json' | 'label' | 'code' | 'short-text' | 'free-text'

export interface ArmFigures {
  arm: ArmName
  rows: number
  /** mean similarity over all held-out rows, as if everything were answered */
  agreement: number
  /** one-sided 95 % lower bound on (adapted − upstream) agreement over all rows */
  differenceBound: number
  confidence: ConfidenceStatistic
  /** null when no threshold passes */
  threshold: number | null
  /** share of held-out rows above the threshold */
  coverage: number
  /** agreement among those, and its one-sided 95 % lower bound */
  agreementAnswered: number
  agreementAnsweredBound: number
}

export interface Verdict {
  verdict: 'promote' | 'reject'
  reason: string
  responseType: ResponseType
  margin: number
  /** index of the winning arm in the plan */
  arm: number
  /** upstream's agreement with itself; 1 when no fresh answers were bought */
  upstreamAgreement: number
  arms: ArmFigures[]
}
