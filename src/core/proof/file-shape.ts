/** The members of a proof file that are computed with, each with the range that it may have. */
import { FIELD_KINDS, MAX_FIELD_RULES } from '../answer/field-rules.ts'
import { RESPONSE_TYPES } from '../answer/response-type.ts'
import { FAULTS, FAULTS_OF_A_CLASS } from '../judge/planted-faults.ts'
import { ARM_NAMES, isModelArm } from '../learn/schedule.ts'
import { PAIR_OUTCOMES, RATINGS } from '../rollout/pair.ts'
import { STATISTICS } from '../route/confidence.ts'
import { REASON_CODES } from '../reasons/say-reason.ts'
import { MAX_LISTED_DRAFTS } from './border-part.ts'
import { MAX_LISTED_BLOCKS } from './outcome-part.ts'

/** Checks that a value read from JSON has the members that its reader uses. Further members are ignored. */

/** @returns where the value is not as it should be, in words; null where it is */
type Shape = (value: unknown, path: string) => string | null

const typed =
  (type: 'string' | 'boolean'): Shape =>
  (value, path) =>
    typeof value === type ? null : `${path} is not a ${type}`

const TEXT = typed('string')
const FLAG = typed('boolean')

/** JSON can write numbers that no double holds: they are read as infinite. */
const within =
  (least: number, most: number): Shape =>
  (value, path) =>
    typeof value === 'number' && value >= least && value <= most
      ? null
      : `${path} is not a number from ${least} to ${most}`

const NUMBER = within(-Number.MAX_VALUE, Number.MAX_VALUE)
const SHARE = within(0, 1)
/** Milliseconds since the epoch, or a duration: as far as a `Date` reaches. */
const TIME = within(0, 8.64e15)

/** A whole number from 0 on. */
const COUNT: Shape = (value, path) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? null : `${path} is not a count`

/** A count that is at most this one. */
const upTo =
  (most: number): Shape =>
  (value, path) =>
    COUNT(value, path) ?? within(0, most)(value, path)

const among =
  (values: readonly (string | number)[]): Shape =>
  (value, path) =>
    values.includes(value as string) ? null : `${path} is not one of ${values.join(', ')}`

const nullable =
  (shape: Shape): Shape =>
  (value, path) =>
    value === null ? null : shape(value, path)

const optional =
  (shape: Shape): Shape =>
  (value, path) =>
    value === undefined ? null : shape(value, path)

/** An older version judged by it: what is ignored here would be verified under other rules. */
const GONE: Shape = (value, path) =>
  value === undefined ? null : `${path} is not known: use the version that wrote the file`

const list =
  (shape: Shape, { least = 0, most = Infinity }: { least?: number; most?: number } = {}): Shape =>
  (value, path) => {
    if (!Array.isArray(value)) return `${path} is not a list`
    if (value.length < least) return `${path} has fewer than ${least} items`
    if (value.length > most) return `${path} has more than ${most} items`
    for (const [i, item] of value.entries()) {
      const fault = shape(item, `${path}[${i}]`)
      if (fault !== null) return fault
    }
    return null
  }

const members =
  (shapes: Record<string, Shape>): Shape =>
  (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return `${path} is not an object`
    for (const [name, shape] of Object.entries(shapes)) {
      const inner = path === '' ? name : `${path}.${name}`
      const fault = shape((value as Record<string, unknown>)[name], inner)
      if (fault !== null) return fault
    }
    return null
  }

/** More than a route could enter in ten years, one every ten hours. */
const MAX_HISTORY = 10_000

/** ARMS may name one twice. */
const MAX_ARMS = 16
/** More than the gate tests. */
const MAX_BORDERS = 100

/** Differences of shares. */
const SIGNED_SHARE = within(-1, 1)
const LEAST_LOSS = among([0, -1])
/** Loss bounds are kept away from 0 and 1 (`lossBoundsOf`). */
const LOSS_BOUND = within(0.001, 0.999)
const CAPITAL = within(1, Number.MAX_VALUE)

/** Its sentence is never written from a file. */
const REASON = members({ code: among(REASON_CODES), figures: members({}) })

const RECORD = members({
  id: TEXT,
  at: TIME,
  fresh: nullable(members({ repeats: FLAG, asLogged: list(FLAG, { least: 2, most: 2 }) })),
  conversation: TEXT,
  isTraffic: FLAG,
  isUnseen: FLAG,
  slices: list(TEXT),
})

const ANSWER = members({
  agrees: FLAG,
  agreesToday: nullable(FLAG),
  logprobSum: nullable(NUMBER),
  logprobMin: nullable(NUMBER),
  longLogprobs: optional(members({ mean: NUMBER, window: NUMBER, first: NUMBER })),
  deferred: nullable(TEXT),
})

const PRESENT = members({
  id: TEXT,
  hasDrifted: FLAG,
  rows: list(
    members({
      record: TEXT,
      at: TIME,
      present: among(['right', 'wrong', 'upstream']),
      conversation: TEXT,
    }),
    { least: 1 }
  ),
})

const CHECKER = members({
  kind: among(['command', 'url']),
  digest: TEXT,
  compared: COUNT,
  none: COUNT,
  hindrance: nullable(REASON),
})

const FIELD_RULE = members({
  path: TEXT,
  rule: members({
    kind: among(FIELD_KINDS),
    to: optional(within(Number.MIN_VALUE, Number.MAX_VALUE)),
  }),
  by: TEXT,
  why: TEXT,
  at: TIME,
})

const ADMISSION = members({
  judge: members({ model: TEXT, version: TEXT, rubric: TEXT, rubricDigest: TEXT }),
  isAdmitted: FLAG,
  level: within(Number.MIN_VALUE, 1),
  faults: list(
    members({
      fault: among(FAULTS),
      planted: upTo(FAULTS_OF_A_CLASS),
      caught: upTo(FAULTS_OF_A_CLASS),
      bound: SHARE,
      isWatched: FLAG,
    }),
    { most: FAULTS.length }
  ),
  falseAlarms: members({ pairs: COUNT, alarms: COUNT, upperBound: SHARE }),
  familyError: SHARE,
})

const ARM: Shape = (value, path) =>
  typeof value === 'string' && isModelArm(value) ? null : among(ARM_NAMES)(value, path)

const DECISION = members({
  responseType: among(RESPONSE_TYPES),
  checker: optional(CHECKER),
  fields: optional(list(FIELD_RULE, { most: MAX_FIELD_RULES })),
  judge: optional(members({ admission: nullable(ADMISSION), hindrance: nullable(REASON) })),
  margin: SHARE,
  alpha: within(Number.MIN_VALUE, 1),
  minCoverage: SHARE,
  burstMs: TIME,
  favouredArm: nullable(COUNT),
  counts: members({ traffic: COUNT, unseen: COUNT }),
  records: list(RECORD),
  recordsDigest: TEXT,
  arms: list(
    members({
      arm: ARM,
      statistic: among([...STATISTICS]),
      streamsEarly: GONE,
      answers: list(nullable(ANSWER)),
      rowsDigest: TEXT,
    }),
    { least: 1, most: MAX_ARMS }
  ),
  present: nullable(PRESENT),
})

const VERDICT = members({
  verdict: among(['promote', 'reject']),
  reason: REASON,
  margin: SHARE,
  alpha: SHARE,
  arm: COUNT,
  upstreamAgreement: SHARE,
  arms: list(
    members({
      agreementAnsweredBound: SHARE,
      lossBound: SIGNED_SHARE,
      threshold: nullable(NUMBER),
      wider: optional(list(NUMBER, { most: MAX_BORDERS })),
      narrower: optional(list(NUMBER, { most: MAX_BORDERS })),
    })
  ),
})

const COUNTS = { pairs: COUNT, losses: NUMBER, credits: NUMBER }

const EVIDENCE = members({
  ...COUNTS,
  stagePairs: COUNT,
  interval: list(SIGNED_SHARE, { least: 2, most: 2 }),
  margin: LOSS_BOUND,
  proven: LOSS_BOUND,
  least: LEAST_LOSS,
  rollback: NUMBER,
  drift: NUMBER,
  step: NUMBER,
})

const STAGE = members({ share: SHARE, before: members(COUNTS), began: TIME })

const BY_SIDE = members({ lora: NUMBER, audit: NUMBER })

const OUTCOMES = members({
  conversations: BY_SIDE,
  blocks: COUNT,
  bad: nullable(BY_SIDE),
  interval: list(SIGNED_SHARE, { least: 2, most: 2 }),
  margin: SHARE,
  rollback: NUMBER,
  harm: NUMBER,
  revision: COUNT,
})

const SIDE = members({ conversations: COUNT, bad: NUMBER })

const BORDER = members({
  threshold: NUMBER,
  evidence: members({
    ...COUNTS,
    answered: COUNT,
    drafts: COUNT,
    margin: LOSS_BOUND,
    capital: NUMBER,
  }),
  narrowing: optional(members({ before: COUNT, rise: NUMBER, least: LEAST_LOSS })),
})

const HISTORY = list(
  members({
    at: TIME,
    by: TEXT,
    state: TEXT,
    reason: nullable(REASON),
    stage: nullable(STAGE),
    border: optional(nullable(BORDER)),
    evidence: nullable(EVIDENCE),
    feedback: nullable(OUTCOMES),
  }),
  { most: MAX_HISTORY }
)

const PAIR = members({
  at: TIME,
  outcome: among(PAIR_OUTCOMES),
  loss: among([-1, 0, 1]),
  confidence: nullable(NUMBER),
  rating: optional(among(RATINGS)),
  ratedAt: optional(TIME),
})

const ROLLOUT = members({
  report: members({
    at: TIME,
    stage: STAGE,
    evidence: EVIDENCE,
    feedback: OUTCOMES,
    rollbackCapital: CAPITAL,
    stepCapital: CAPITAL,
    outcomes: members(Object.fromEntries(PAIR_OUTCOMES.map((name) => [name, COUNT]))),
  }),
  isWhole: FLAG,
  summed: list(members({ ...COUNTS, at: TIME, ratedAt: nullable(TIME) })),
  conversations: list(list(PAIR, { least: 1 })),
  drafts: list(members({ confidence: NUMBER, agrees: FLAG }), { most: MAX_LISTED_DRAFTS }),
  feedback: members({
    revision: COUNT,
    blocks: list(members({ at: TIME, lora: SIDE, audit: SIDE }), { most: MAX_LISTED_BLOCKS }),
  }),
})

export const FILE_SHAPE = members({
  writtenAt: TIME,
  internalization: members({ id: TEXT, createdAt: TIME, state: TEXT }),
  training: members({ seed: NUMBER, records: list(TEXT), recordsDigest: TEXT }),
  decision: DECISION,
  verdict: VERDICT,
  history: HISTORY,
  rollout: nullable(ROLLOUT),
  digest: TEXT,
})
