/** What a verdict has of the operator's checker that vouched for agreement, and its promise in words. */
import type { Reason } from '../reason.ts'
import { percent } from '../figure-text.ts'

/** What compares answers: a command or an endpoint. */
export type CheckerKind = 'command' | 'url'

/** The checker that is set. Its setting may be secret, so of it there is a digest. */
export interface PlannedChecker {
  kind: CheckerKind
  /** digest of the setting */
  digest: string
}

export interface CheckerFacts extends PlannedChecker {
  /** held-out answers that it compared, and those of them for which it gave no verdict */
  compared: number
  none: number
  /** why nothing may be promoted by it, whatever it said; null: nothing is in the way */
  hindrance: Reason | null
}

const NAMES: Record<CheckerKind, string> = {
  command: 'the command in CHECK_COMMAND',
  url: 'the endpoint in CHECK_URL',
}

export const checkerName = ({ kind, digest }: PlannedChecker): string =>
  `${NAMES[kind]} (${digest})`

export const isSameChecker = (one: PlannedChecker, other: PlannedChecker): boolean =>
  one.kind === other.kind && one.digest === other.digest

/** @param margin of the verdict, 0 to 1 @returns one sentence for each part of the promise */
export const checkerPromise = (facts: CheckerFacts, margin: number): string[] => [
  `The operator vouches for ${checkerName(facts)}, which says whether two answers are the same. It rejects at most ` +
    `${percent(margin)} more of this route's answers than of the upstream's own.`,
  'No faults were planted to test it, and nothing is claimed about people.',
  ...(facts.none > 0
    ? [`It gave no verdict on ${facts.none} of ${facts.compared} answers, which count as wrong.`]
    : []),
]
