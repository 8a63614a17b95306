/**
 * What becomes of a template from its first exchanges on: the proxy learns from them by itself, and again each time
 * the traffic has doubled. The bench sends the traffic, waits while the proxy learns, and keeps count.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { percent } from '../../src/core/figure-text.ts'
import { agree } from '../../src/core/answer/agreement.ts'
import type { Internalization } from '../../src/core/internalization/internalization.ts'
import type { PairOutcome } from '../../src/core/rollout/pair.ts'
import { isInWork } from '../../src/lifecycle/transitions.ts'
import { comparisonOf } from '../../test/kit/model/comparison.ts'
import type { ProxyProcess } from '../../test/kit/process/proxy-process.ts'
import { withBar, type Figures } from '../../test/kit/report.ts'
import { sendAll } from '../../test/kit/traffic/send-all.ts'
import type { Rendered } from './figures.ts'

/** Exchanges in the log before the traffic begins: as many as the product starts with. */
const IN_LOG = 300
const BATCH = 100
const LANES = 8
const POLL_MS = 500
/** The worker reads the log, starts and judges within this time, where it has something to do. */
const QUIET_MS = 4_000
/** Requests by which the coverage of a route is told. */
const WINDOW = 500

type Outcomes = Record<PairOutcome, number>

/** After a number of requests: the live route, and the audited requests of it so far. */
interface Look {
  requests: number
  /** id of its internalization; null without one */
  route: string | null
  outcomes: Outcomes | null
}

interface Rollout {
  waiting: number
  outcomes: Outcomes
}

const UNANSWERED = ['draft-agreed', 'draft-disagreed', 'withheld', 'fallback'] as const

const countsOf = (outcomes: Outcomes | null): { answered: number; wrong: number; all: number } => {
  const { agreed = 0, disagreed = 0, ...others }: Partial<Outcomes> = outcomes ?? {}
  const answered = agreed + disagreed
  const unsure = UNANSWERED.reduce((sum, outcome) => sum + (others[outcome] ?? 0), 0)
  return { answered, wrong: disagreed, all: answered + unsure }
}

/** Share of the audited requests that the route of a look would have answered, in the requests after it. */
const coverageAt = (looks: readonly Look[], requests: number): number => {
  const at = looks.findLast((look) => look.requests <= requests)
  if (at === undefined || at.route === null) return 0
  const after = looks.filter(
    ({ route, requests: later }) => route === at.route && later <= requests + WINDOW
  )
  const before = countsOf((after.at(-1) === at ? after[0] : at)!.outcomes)
  const until = countsOf(after.at(-1)!.outcomes)
  const all = until.all - before.all
  return all === 0 ? 0 : (until.answered - before.answered) / all
}

/** The live route, once nothing is in work and each audited request has its answer. */
const settled = async (proxy: ProxyProcess, requests: number): Promise<Look> => {
  for (let quietSince = Date.now(); ; await delay(POLL_MS)) {
    const { data } = await proxy.admin<{ data: Internalization[] }>('/internalizations')
    const live = data.find(({ state }) => state.name === 'live')
    const rollout =
      live &&
      (await proxy.admin<{ rollout: Rollout | null }>(`/internalizations/${live.id}`)).rollout
    const isBusy = data.some(({ state }) => isInWork(state)) || (rollout?.waiting ?? 0) > 0
    if (isBusy) quietSince = Date.now()
    if (Date.now() - quietSince >= QUIET_MS)
      return { requests, route: live?.id ?? null, outcomes: rollout?.outcomes ?? null }
  }
}

/** Answers that clients got from a lora. */
interface Given {
  answers: number
  agreeing: number
}

const share = (count: number, of: number) => ({ value: of === 0 ? 0 : count / of, unit: 'share' })

/** What was audited of each route in its time. */
const auditedIn = (looks: readonly Look[]) => {
  const last = new Map(looks.map(({ route, outcomes }) => [route, outcomes]))
  last.delete(null)
  const all = [...last.values()].map(countsOf)
  return {
    routes: all.length,
    answered: all.reduce((sum, { answered }) => sum + answered, 0),
    wrong: all.reduce((sum, { wrong }) => sum + wrong, 0),
  }
}

const figuresOf = (looks: readonly Look[], given: Given): Figures => {
  const end = looks.at(-1)!.requests
  const coverage = (requests: number) => ({ value: coverageAt(looks, requests), unit: 'share' })
  const { routes, answered, wrong } = auditedIn(looks)
  return {
    requests: { value: end, unit: 'after the first exchanges' },
    coverage_1000: withBar(coverage(1_000), '>=', 0.25),
    coverage_3000: withBar(coverage(3_000), '>=', 0.72),
    coverage_end: withBar(coverage(end - WINDOW), '>=', 0.87),
    answers_given: { value: given.answers, unit: 'answers' },
    agreement_given: withBar(share(given.agreeing, given.answers), '>=', 0.953),
    answers_audited: { value: answered, unit: 'answers' },
    agreement_audited: share(answered - wrong, answered),
    routes: { value: routes, unit: '' },
  }
}

export interface Growth {
  figures: Figures
  /** by requests: the coverage of the route in force */
  curve: { requests: number; coverage: number }[]
}

/** @param onSent called with the number of requests so far */
export const growRoute = async (
  proxy: ProxyProcess,
  { rows, requests }: Pick<Rendered, 'rows' | 'requests'>,
  onSent: (sent: number) => void
): Promise<Growth> => {
  const looks: Look[] = []
  const comparison = comparisonOf(rows.map(({ answer }) => answer))
  const given = { answers: 0, agreeing: 0 }
  for (let sent = 0; sent < requests.length;) {
    const batch = requests.slice(sent, sent === 0 ? IN_LOG : sent + BATCH)
    const outcomes = await sendAll(proxy.baseUrl, batch, { concurrency: LANES })
    for (const [i, { route, answer }] of outcomes.entries()) {
      if (route !== 'answered') continue
      given.answers++
      if (agree(comparison, answer, rows[sent + i]!.answer)) given.agreeing++
    }
    sent += batch.length
    onSent(sent)
    looks.push(await settled(proxy, sent - IN_LOG))
  }
  return {
    figures: figuresOf(looks, given),
    curve: looks.map(({ requests: at }) => ({ requests: at, coverage: coverageAt(looks, at) })),
  }
}

/** One row for each thousand requests. */
export const growthTable = ({ curve }: Growth): string[][] => [
  ['requests', 'coverage'],
  ...curve
    .filter(({ requests }) => requests % 1_000 === 0)
    .map(({ requests, coverage }) => [String(requests), percent(coverage)]),
]
