/** The members of an evidence file that are computed with. */
import { RESPONSE_TYPES } from '../answer/response-type.ts'
import { PAIR_OUTCOMES, RATINGS } from '../rollout/pair.ts'
import { among, FLAG, list, members, nullable, NUMBER, optional, TEXT } from './shape.ts'

const RECORD = members({
  id: TEXT,
  at: NUMBER,
  fresh: nullable(members({ repeats: FLAG, asLogged: list(FLAG, 2) })),
  conversation: TEXT,
  isTraffic: FLAG,
  isUnseen: FLAG,
  slices: list(TEXT),
})

const ANSWER = members({
  agrees: FLAG,
  agreesToday: nullable(FLAG),
  similarity: NUMBER,
  logprobSum: nullable(NUMBER),
  logprobMin: nullable(NUMBER),
  deferred: nullable(TEXT),
})

const PRESENT = members({
  id: TEXT,
  hasDrifted: FLAG,
  rows: list(
    members({
      record: TEXT,
      at: NUMBER,
      present: among(['right', 'wrong', 'upstream']),
      conversation: TEXT,
    })
  ),
})

const DECISION = members({
  responseType: among(RESPONSE_TYPES),
  margin: NUMBER,
  alpha: NUMBER,
  minCoverage: NUMBER,
  burstMs: NUMBER,
  favouredArm: nullable(NUMBER),
  counts: members({ traffic: NUMBER, unseen: NUMBER }),
  records: list(RECORD),
  recordsDigest: TEXT,
  arms: list(
    members({
      arm: TEXT,
      statistic: among(['sum', 'min']),
      answers: list(nullable(ANSWER)),
      rowsDigest: TEXT,
    })
  ),
  present: nullable(PRESENT),
})

const VERDICT = members({
  verdict: among(['promote', 'reject']),
  reason: TEXT,
  margin: NUMBER,
  arm: NUMBER,
  upstreamAgreement: NUMBER,
  arms: list(members({ agreementAnsweredBound: NUMBER, lossBound: NUMBER })),
})

const EVIDENCE = members({
  pairs: NUMBER,
  losses: NUMBER,
  credits: NUMBER,
  stagePairs: NUMBER,
  margin: NUMBER,
  proven: NUMBER,
  least: NUMBER,
  rollback: NUMBER,
})

const STAGE = members({
  share: NUMBER,
  before: members({ pairs: NUMBER, losses: NUMBER, credits: NUMBER }),
  began: NUMBER,
})

const BY_SIDE = members({ lora: NUMBER, audit: NUMBER })

const OUTCOMES = members({
  conversations: BY_SIDE,
  blocks: NUMBER,
  bad: nullable(BY_SIDE),
  interval: list(NUMBER, 2),
  margin: NUMBER,
  rollback: NUMBER,
  harm: NUMBER,
  revision: NUMBER,
})

const SIDE = members({ conversations: NUMBER, bad: NUMBER })

const HISTORY = list(
  members({
    at: NUMBER,
    by: TEXT,
    state: TEXT,
    stage: nullable(STAGE),
    evidence: nullable(EVIDENCE),
    feedback: nullable(OUTCOMES),
  })
)

const PAIR = members({
  at: NUMBER,
  outcome: among(PAIR_OUTCOMES),
  loss: NUMBER,
  rating: optional(among(RATINGS)),
  ratedAt: optional(NUMBER),
})

const ROLLOUT = members({
  report: members({
    at: NUMBER,
    stage: STAGE,
    evidence: EVIDENCE,
    feedback: OUTCOMES,
    rollbackCapital: NUMBER,
    outcomes: members(Object.fromEntries(PAIR_OUTCOMES.map((name) => [name, NUMBER]))),
  }),
  isWhole: FLAG,
  summed: list(
    members({
      pairs: NUMBER,
      losses: NUMBER,
      credits: NUMBER,
      at: NUMBER,
      ratedAt: nullable(NUMBER),
    })
  ),
  conversations: list(list(PAIR, 1)),
  feedback: members({
    revision: NUMBER,
    blocks: list(members({ at: NUMBER, lora: SIDE, audit: SIDE })),
  }),
})

export const FILE_SHAPE = members({
  internalization: members({ id: TEXT, state: TEXT }),
  training: members({ records: list(TEXT), recordsDigest: TEXT }),
  decision: DECISION,
  verdict: VERDICT,
  history: HISTORY,
  rollout: nullable(ROLLOUT),
  digest: TEXT,
})
