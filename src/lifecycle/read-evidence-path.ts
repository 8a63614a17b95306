/** Reads the conversations that count for a rollout, and how its evidence came about. */
import {
  lastBorderOf,
  winningLora,
  rolloutStageOf,
  type Internalization,
} from '../core/internalization/internalization.ts'
import { leastCounted } from '../core/rollout/border.ts'
import type { Conversation } from '../core/rollout/conversations.ts'
import {
  evidencePath,
  type CountedLoss,
  type EvidencePoint,
} from '../core/rollout/evidence-path.ts'
import { meanLoss } from '../core/rollout/evidence.ts'
import { CountedConversations, oneOf } from '../core/rollout/pair-reader.ts'
import { asEvidence, lossOf, type ReadPair, type WatchedPair } from '../core/rollout/pair.ts'
import type { Store } from '../store/store.ts'
import { readRolloutReport } from './rollout-report.ts'

const PAGE = 5_000

/** The pairs of a lora in the order in which they were stored: there may be more of them than memory should hold. */
export async function* pairPages(
  { pairs }: Pick<Store, 'pairs'>,
  lora: string
): AsyncGenerator<ReadPair[]> {
  for (let place = 0, isFull = true; isFull;) {
    const page = await pairs.since(lora, place, PAGE)
    isFull = page.length === PAGE
    place = page.at(-1)?.place ?? place
    yield page
  }
}

/**
 * The first conversations of a lora, in the order in which they count. More of them may be over, and count in
 * the next report.
 * @param options.count of the report
 * @param options.countsFrom see `leastCounted`
 * @param options.isJudged see `asEvidence`
 */
export async function* countedConversations(
  store: Pick<Store, 'pairs'>,
  lora: string,
  {
    count,
    countsFrom = -Infinity,
    isJudged,
  }: { count: number; countsFrom?: number; isJudged: boolean }
): AsyncGenerator<Conversation<WatchedPair>> {
  // a request without further turns has a key of its own, so it may be read like a conversation
  const reader = new CountedConversations<WatchedPair>(false, countsFrom)
  let left = count
  if (left <= 0) return
  for await (const page of pairPages(store, lora)) {
    const ended = page.flatMap((pair) => reader.read(asEvidence(pair, isJudged)))
    yield* ended.slice(0, left)
    left -= ended.length
    if (left <= 0) return
  }
  yield* reader.overBy(Infinity).slice(0, left)
}

/**
 * Its last point has the figures of the newest report, unless pairs were rated since then.
 * @returns at most 200 points; none before the worker has made a report
 */
export const readEvidencePath = async (
  store: Pick<Store, 'pairs' | 'snapshots' | 'internalizations'>,
  internalization: Internalization
): Promise<EvidencePoint[]> => {
  const lora = winningLora(internalization)
  const report = await readRolloutReport(store, internalization.id)
  if (lora === null || report === null) return []
  const history = await store.internalizations.history(internalization.id)
  const counted: CountedLoss[] = []
  const asked = {
    count: report.evidence.pairs,
    countsFrom: leastCounted(lastBorderOf(history)),
    isJudged: internalization.plan?.judge !== undefined,
  }
  for await (const { at, turns } of countedConversations(store, lora, asked))
    counted.push({ at, loss: meanLoss(oneOf(turns.map(lossOf))) })
  const starts = history.flatMap(({ to }) => rolloutStageOf(to)?.before.pairs ?? [])
  return evidencePath(counted, report.evidence, starts)
}
