/**
 * Replies to refund requests that another model of the upstream writes, and a judge that knows their rule: from the log
 * to a verdict, and to a live route that is audited.
 */
import type { Price } from '../../src/core/cost/prices.ts'
import type {
  Internalization,
  InternalizeOptions,
} from '../../src/core/internalization/internalization.ts'
import { RUBRIC } from '../../src/core/judge/judge-prompt.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import { usageOf } from '../../src/openai/usage/usage.ts'
import { seededRandom } from '../../src/random.ts'
import type { AskUpstream, ReplayUpstream, WorkerDeps } from '../../src/worker/deps.ts'
import {
  knowsTheRule,
  numberOfRequest,
  refundOf,
  replyRecord,
  type Refund,
  type ReplyForm,
} from '../kit/records/written-replies.ts'
import { answerBody } from '../kit/records/completion.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { useWorkerHarness, type WorkerHarness } from './harness.ts'
import { Watched } from './watched-route.ts'

/** Of each side. */
export const ROWS = 260
export const CHEAP = 'small-writer'
export const JUDGE = 'claude-judge'
const USAGE = usageOf(600, 60)
export const PRICES: Price[] = [
  { model: 'gpt-4o-mini', asOf: '2026-12-01', input: 10, cachedInput: 10, output: 100 },
  { model: CHEAP, asOf: '2026-12-01', input: 1, cachedInput: 1, output: 10 },
  { model: JUDGE, asOf: '2026-12-01', input: 1, cachedInput: 1, output: 10 },
]

const completion = (content: string, model = 'gpt-4o-mini'): string =>
  answerBody(content, { model, usage: USAGE })

export interface Message {
  content: string
}

/** What the small model writes, and what the judge replies to a comparison. */
export interface Behaviour {
  writes?: (refund: Refund, number: number) => string
  judges?: (messages: Message[]) => { status?: number; reply?: string; model?: string }
}

export const rule = (messages: Message[]) => ({ reply: `{"verdict":"${knowsTheRule(messages)}"}` })

const CONFIG: Partial<InternalizeOptions> = { arms: [`model:${CHEAP}`] }

export const SETTINGS: NonNullable<WorkerDeps['judge']> = {
  model: JUDGE,
  rubric: RUBRIC,
}

const depsOf = (
  harness: WorkerHarness,
  { askUpstream, replayUpstream }: Pick<WorkerDeps, 'askUpstream' | 'replayUpstream'>,
  { changes = {}, rows = ROWS, proofUsd = 100 }: JudgedOptions = {}
) =>
  harness.deps(
    {
      priceOf: (model) => PRICES.find((price) => price.model === model) ?? null,
      costUsd: () => 0.5,
      sleep: (_ms, signal) => (signal === undefined ? Promise.resolve() : new Promise(() => {})),
      judge: SETTINGS,
      askUpstream,
      replayUpstream,
      ...changes,
    },
    { ...CONFIG, proofUsd, trainRows: rows, holdoutRows: rows }
  )

export interface JudgedOptions {
  changes?: Partial<WorkerDeps>
  /** of each side; the faults of a class need 200 to be watched */
  rows?: number
  proofUsd?: number
  /** once the template is found */
  prepare?: (harness: WorkerHarness, templateVersion: string) => Promise<void>
}

/** For a test file. @param form of the replies */
export const useJudgedReplies = (form: ReplyForm) => {
  const open = useWorkerHarness()
  const random = seededRandom(46)
  const anyWording = (refund: Refund): string => form.write(refund, random())

  const upstream = ({ writes = anyWording, judges = rule }: Behaviour) => {
    const comparisons: Message[][] = []
    const askUpstream: AskUpstream = async ({ request }) => {
      const { model, messages } = JSON.parse(request) as { model: string; messages: Message[] }
      if (model !== JUDGE) {
        const number = numberOfRequest(request)
        return {
          status: 200,
          body: completion(writes(refundOf(number), number), model),
          retryAfterMs: null,
        }
      }
      comparisons.push(messages)
      const { status = 200, reply = '', model: version = 'claude-judge-1' } = judges(messages)
      const body = status === 200 ? completion(reply, version) : '{"error":{"message":"no"}}'
      return { status, body, retryAfterMs: null }
    }
    const replayUpstream: ReplayUpstream = async ({ request }) =>
      completion(anyWording(refundOf(numberOfRequest(request))))
    return { comparisons, askUpstream, replayUpstream }
  }

  /** A worker that has the log before it. */
  const begin = async (behaviour: Behaviour, options: JudgedOptions = {}) => {
    const { rows = ROWS, prepare } = options
    const asks = upstream(behaviour)
    const harness = await open({ from: null, engine: { encoder: 'alone' } })
    await harness.log(
      Array.from({ length: 2 * rows + 12 }, (_, i) => ({ ...replyRecord(i, form), usage: USAGE }))
    )
    const worker = await harness.worker(depsOf(harness, asks, options))
    if (prepare !== undefined) {
      await harness.runTo(worker, 'candidate')
      await prepare(harness, (await harness.newest()).templateVersion)
    }
    return { harness, worker, comparisons: asks.comparisons }
  }

  const judged = async (behaviour: Behaviour, options: JudgedOptions = {}) => {
    const { harness, worker, comparisons } = await begin(behaviour, options)
    const row = await harness.runTo(worker, 'approval', 'rejected', 'failed')
    return { harness, row, comparisons, asked: comparisons.length }
  }

  /** @param behaviour once it is live */
  const live = async (behaviour: Behaviour, options: JudgedOptions = {}) => {
    const { harness, row } = await judged({}, options)
    return watch(harness, row, behaviour)
  }

  const watch = async (harness: WorkerHarness, row: Internalization, behaviour: Behaviour) => {
    const context = { by: 'admin', now: harness.now, rollout: AT_ONCE }
    const alive = await goLive(harness.store, row, context)
    const asks = upstream(behaviour)
    const deps = depsOf(harness, asks, { changes: { engine: null } })
    const worker = await harness.worker({ ...deps, config: { ...deps.config, auto: false } })
    const watched = new Watched(harness, worker, alive, (number) => replyRecord(number, form))
    return { watched, comparisons: asks.comparisons }
  }

  return { anyWording, begin, judged, live }
}

/** Of so many audits, or why they are none. */
export const outcomesOf = async (watched: Watched, count: number): Promise<string[]> => {
  await watched.audit(count)
  await watched.judged(count)
  const pairs = await watched.pairs()
  return pairs.map(({ outcome, reason }) => reason ?? outcome)
}
