/**
 * Why something was decided, as a code with its figures: in states, verdicts, reports, proof files and events.
 * `reasons/say-reason.ts` writes each of them as a sentence, and nothing reads a sentence back.
 */
import type { ErrorCode } from '../errors.ts'
import type { OutcomeCounts } from './answer/outcome.ts'
import type { ResponseType } from './answer/response-type.ts'
import type { ArmName } from './learn/schedule.ts'
import type { Unconsented } from './terms/terms.ts'

type Nothing = Record<string, never>

/** Pairs of a live route, and how many of their answers disagree. */
interface Losses {
  pairs: number
  losses: number
  credits: number
}

/** The same with the evidence in them: a natural logarithm of a capital. */
interface Evidence extends Losses {
  evidence: number
}

interface Found extends Evidence {
  /** of the loss; null: the pairs are the last ones, since the loss has risen */
  interval: readonly [number, number] | null
}

interface Checker {
  kind: 'command' | 'url'
  digest: string
}

/** What a change of a route's border, or of its withheld answers, does to its coverage; null: it is not known. */
interface Coverage {
  coverage: { audited: number; before: number; after: number } | null
}

interface Held {
  rows: number
  needed: number
  margin: number
}

/**
 * Code → its figures. Shares are 0 to 1, times are milliseconds since the epoch, money is in US dollars. What may quote
 * traffic, a person or another program stands in the members of `QUOTED` alone.
 */
export interface ReasonFigures {
  // of people, and of the states of other internalizations
  said: { text: string }
  'by-a-person': Nothing
  replaced: { by: string }
  forgotten: Nothing
  error: { code: ErrorCode; message: string }
  follows: { of: string; why: 'rolled-back' | 'drifted' | 'new-traffic' }
  'tries-again': { of: string; isOfNewTraffic: boolean }
  'predecessor-rolled-back': { because: Reason }

  // before training: the traffic
  'too-few-to-split': { exchanges: number }
  'one-conversation': { exchanges: number }
  'one-burst': { exchanges: number; burstMinutes: number; since: number }
  'one-key': Nothing
  'context-too-short': { tokens: number | null; model: string }
  'few-text-answers': {
    answerable: number
    minCoverage: number
    others: OutcomeCounts
  }
  'too-few-held-out': Held
  'held-out-in-bursts': Held & { worth: number }
  'too-few-unseen': Held
  'too-varied': { proven: number; least: number; minCoverage: number }

  // before training: the answers
  'unsupported-format': { message: string }
  'free-text': { fieldHead: 'encoder' | 'arm' | null; judge: JudgeObstacle }
  'written-fields': { paths: string[]; judge: JudgeObstacle }
  'rules-without-json': Nothing
  'no-judge-named': Nothing
  'no-key-for-judge': Nothing
  'replays-limited': Nothing
  'no-price-of-judge': { model: string }
  'judge-of-same-maker': { sibling: string }
  'consent-needed': Unconsented

  // before training: what could learn or give the answers
  'no-arm-left': { reasons: Reason[] }
  'not-labels': { hasLoras: boolean }
  'labels-not-shown': { answers: number; values: number; missing: number; hasLoras: boolean }
  'no-encoder': { hasLoras: boolean }
  'one-label': { hasLoras: boolean }
  'no-label-head': { hasLoras: boolean }
  'prompt-too-long': { tokens: number | null; model: string }
  'model-is-present': { model: string }
  'model-without-chat': { model: string }
  'model-without-price': { model: string; of: string }
  'model-not-cheaper': { model: string; usd: number; present: string; presentUsd: number }
  'model-without-key': { model: string }
  'model-unpaid': { model: string; requests: number; usd: number }
  'model-over-budget': { model: string; requests: number; usd: number; leftUsd: number }
  'model-budget-spent': { model: string }
  'model-not-sendable': { model: string }
  'model-silent': { model: string }
  'model-refused': { model: string; status: number; message: string | null }
  'model-no-completion': { model: string }

  // of a scan, beside those before training: why no coverage is expected
  'no-estimate': { type: Exclude<ResponseType, 'label'> }
  'too-many-labels': { labels: number; exchanges: number }
  'form-without-encoder': Nothing
  /** null: the seconds of a scan went to other templates */
  'field-head-untried': { seconds: number; rowsPerSecond: number | null }
  'field-head-cut': { rows: number; agreement: number }

  // of verdicts
  passed: { arm: ArmName; coverage: number; agreement: number }
  'no-answers': Nothing
  unjudged: Nothing
  'upstream-changed': { changed: number; rows: number }
  'upstream-differs': { repeats: number; least: number; isJudged: boolean }
  'coverage-impossible': { answerable: number; minCoverage: number }
  'none-answerable': Nothing
  'samples-too-small': {
    samples: { sample: 'traffic' | 'unseen'; rows: number; effectiveRows: number; needed: number }[]
    margin: number
  }
  'too-few-fresh-answers': { margin: number }
  'slices-worse': {
    slices: { slice: string; agreement: number; rows: number; upstreamAgreement: number }[]
  }
  'loss-too-large': {
    arm: ArmName
    agreement: number
    /** null without fresh answers */
    upstreamAgreement: number | null
    minCoverage: number
    margin: number
    isJudged: boolean
  }
  'more-wrong': { moreWrong: number; successor: number; present: number }
  'not-more-answered': { successor: number; present: number }

  // of a verdict's witness
  'judge-unfinished': Nothing
  'judge-alarms': { pairs: number; alarms: number; upperBound: number; most: number }
  'judge-misses': { least: number }
  'judge-admitted': { pairs: number; alarms: number; least: number; faults: string[] }
  'proof-money-spent': { usd: number }
  'judge-unset': { planned: string }
  'judge-changed': { planned: string; set: string }
  'rubric-changed': { rubric: string }
  'judge-version-changed': { model: string; version: string; other: string }
  'judge-silent': { model: string }
  'judge-refused': { model: string; status: number; message: string | null }
  'judge-version-unknown': { version: string; admitted: string | null }
  'checker-unset': { planned: Checker }
  'checker-changed': { planned: Checker; set: Checker }
  'checker-away': { message: string }

  // of a live route
  'stage-entered': Found
  'border-widened': Evidence & Coverage & { threshold: number }
  'border-narrowed': Evidence & Coverage & { threshold: number }
  withheld: Coverage & { parts: (Evidence & { kind: 'answer' | 'request'; count: number })[] }
  'rolled-back': Found & { margin: number }
  'rated-worse': {
    bad: { lora: number; audit: number } | null
    conversations: { lora: number; audit: number }
    interval: [number, number]
    margin: number
    evidence: number
  }
  'loss-risen': Found & { proven: number }
  'questions-changed': {
    indicator: 'fallbacks' | 'low-confidence' | 'long-questions' | 'new-labels'
    seen: number
    requests: number
    share: number
    bound: number
    evidence: number
  }
  'stage-too-young': { until: number }
  'part-of-day-missing': { part: number; pairs: number; needed: number }
}

export type ReasonCode = keyof ReasonFigures

/** @template Code some of the codes; by default any */
export type ReasonOf<Code extends ReasonCode> = {
  [Each in Code]: { code: Each; figures: ReasonFigures[Each] }
}[Code]

export type Reason = ReasonOf<ReasonCode>

export interface SaidReason {
  /** the cause */
  says: string
  /** what would help; absent: nothing has to be helped, or nothing can be */
  helps?: string
}

/** Writes the reasons of some codes. */
export type Sayings<Code extends ReasonCode> = {
  [Each in Code]: (figures: ReasonFigures[Each]) => SaidReason
}

/** What a judge lacks who could vouch for the answers. */
export type JudgeObstacle = ReasonOf<
  | 'no-judge-named'
  | 'no-key-for-judge'
  | 'replays-limited'
  | 'no-price-of-judge'
  | 'judge-of-same-maker'
>

export const reasonOf = <Code extends ReasonCode>(
  code: Code,
  figures: ReasonFigures[Code]
): ReasonOf<Code> => ({ code, figures }) as ReasonOf<Code>

/** In the words of a person. @param text absent: the person gave none */
export const saidBy = (text: string | undefined): Reason =>
  text === undefined ? reasonOf('by-a-person', {}) : reasonOf('said', { text })

/** Members of figures that may quote traffic, a person or another program. */
const QUOTED: ReadonlySet<string> = new Set(['text', 'message', 'slice', 'paths'])

/**
 * The same reason with other quotes, as a file or a reader may have them.
 * @param replace gets the name of the member and what it quotes
 */
export const withQuotes = <Given extends Reason>(
  reason: Given,
  replace: (member: string, quoted: string) => string
): Given => {
  const walk = (value: unknown, member: string): unknown => {
    if (typeof value === 'string') return QUOTED.has(member) ? replace(member, value) : value
    if (Array.isArray(value)) return value.map((item) => walk(item, member))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, walk(item, name)]))
  }
  return { ...reason, figures: walk(reason.figures, '') }
}
