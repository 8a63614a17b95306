/** Keeps what a verdict is made from, and collects the proof file of an internalization. */
import type { DecisionFacts } from '../core/proof/decision-facts.ts'
import { makeProofFile, type ProofFile } from '../core/proof/proof-file.ts'
import { MAX_LISTED_DRAFTS } from '../core/proof/border-part.ts'
import { MAX_LISTED_BLOCKS, type OutcomePart } from '../core/proof/outcome-part.ts'
import {
  ConversationList,
  isCountedFrom,
  type DraftPair,
  type RolloutPart,
} from '../core/proof/rollout-part.ts'
import {
  lastBorderOf,
  movedBorder,
  winningLora,
  type HistoryEntry,
  type Internalization,
} from '../core/internalization/internalization.ts'
import { addOutcomes, NO_BLOCK, type OutcomeBlock } from '../core/outcomes/outcome-figures.ts'
import { OutcomeReader } from '../core/outcomes/conversation-outcomes.ts'
import { leastCounted } from '../core/rollout/border.ts'
import { draftLossOf } from '../core/rollout/pair.ts'
import { Thinning } from '../core/rollout/thinning.ts'
import { AppError } from '../errors.ts'
import { packageVersion } from '../package-folder.ts'
import type { Store } from '../store/store.ts'
import { jsonSnapshotsOf } from '../store/json-snapshot.ts'
import { countedConversations, pairPages } from './read-evidence-path.ts'
import { readRolloutReport } from './rollout-report.ts'

/** As they are stored. */
interface KeptFacts {
  /** version of promptintern-proxy that collected them */
  madeBy: string
  facts: DecisionFacts
}

const keptFacts = jsonSnapshotsOf<KeptFacts>('decision:')

/** By internalization; null before the verdict. */
export const readDecisionFacts = keptFacts.read

export const saveDecisionFacts = (
  store: Pick<Store, 'snapshots'>,
  internalizationId: string,
  facts: DecisionFacts
): Promise<void> => keptFacts.save(store, internalizationId, { madeBy: packageVersion(), facts })

/** Numbers of conversations at which something was decided or a stage began. */
const endsOf = (
  history: readonly HistoryEntry[],
  { pairs, stagePairs }: EvidenceCounts
): number[] =>
  [
    { pairs, stagePairs },
    ...history.flatMap(({ to }) => ('evidence' in to && to.evidence) || []),
  ].flatMap((figures) => [figures.pairs, figures.pairs - figures.stagePairs])

type EvidenceCounts = Pick<RolloutPart['report']['evidence'], 'pairs' | 'stagePairs'>

const FEEDBACK_PAGE = 5_000

/** @param count blocks of the report: more of them may have closed, and count in the next one */
const outcomesOf = async (
  { feedback }: Pick<Store, 'feedback'>,
  lora: string,
  count: number
): Promise<OutcomePart> => {
  const revision = await feedback.revision(lora)
  // a request without further turns has a key of its own, so it may be read like a conversation
  const reader = new OutcomeReader(false)
  const most = Math.min(count, MAX_LISTED_BLOCKS)
  const blocks: OutcomeBlock[] = []
  let open = NO_BLOCK
  for (let isFull = true; isFull && blocks.length < most;) {
    const page = await feedback.drawn(lora, reader.lastPlace, FEEDBACK_PAGE)
    isFull = page.length === FEEDBACK_PAGE
    const ended = reader.read(page)
    const added = addOutcomes(open, isFull ? ended : [...ended, ...reader.overBy(Infinity)])
    blocks.push(...added.closed)
    open = added.open
  }
  return { revision, blocks: blocks.slice(0, most) }
}

/** The first drafts of a lora that count. */
const readDrafts = async (
  store: Pick<Store, 'pairs'>,
  lora: string,
  count: number
): Promise<DraftPair[]> => {
  const drafts: DraftPair[] = []
  if (count === 0) return drafts
  const thinning = new Thinning()
  for await (const page of pairPages(store, lora)) {
    for (const pair of page) {
      const loss = thinning.keeps(pair) ? draftLossOf(pair) : null
      if (loss !== null) drafts.push({ confidence: pair.confidence!, agrees: loss === 0 })
    }
    if (drafts.length >= count) break
  }
  return drafts.slice(0, count)
}

const rolloutOf = async (
  store: Pick<Store, 'snapshots' | 'pairs' | 'feedback'>,
  internalization: Internalization,
  history: readonly HistoryEntry[]
): Promise<RolloutPart | null> => {
  const lora = winningLora(internalization)
  const report = await readRolloutReport(store, internalization.id)
  if (lora === null || report === null) return null
  const { at, stage, evidence, feedback, rollbackCapital, stepCapital, outcomes } = report
  const list = new ConversationList(endsOf(history, evidence))
  // the report may be of before the last change of the border
  const countsFrom = leastCounted(lastBorderOf(history.filter((entry) => entry.at < at)))
  const all = { count: Infinity, isJudged: internalization.plan?.judge !== undefined }
  let left = evidence.pairs
  for await (const conversation of countedConversations(store, lora, all)) {
    if (left === 0) break
    list.add(conversation)
    if (isCountedFrom(countsFrom, conversation)) left--
  }
  const wanted = Math.max(0, ...history.map((entry) => movedBorder(entry)?.evidence.drafts ?? 0))
  return {
    lora,
    report: { at, stage, evidence, feedback, rollbackCapital, stepCapital, outcomes },
    isWhole: left === 0,
    ...list.read(),
    drafts: await readDrafts(store, lora, Math.min(wanted, MAX_LISTED_DRAFTS)),
    feedback: await outcomesOf(store, lora, feedback.blocks),
  }
}

/**
 * @param now milliseconds since the epoch
 * @throws AppError `invalid-state` before the verdict
 */
export const proofFile = async (
  store: Store,
  internalization: Internalization,
  now: number
): Promise<ProofFile> => {
  const { id, plan, verdict, templateVersion } = internalization
  const kept = await readDecisionFacts(store, id)
  if (plan === null || verdict === null || kept === null)
    throw new AppError('invalid-state', `internalization ${id} has no verdict yet`)
  const history = await store.internalizations.history(id)
  return makeProofFile({
    writtenBy: packageVersion(),
    writtenAt: now,
    internalization: { ...internalization, plan, verdict },
    template: await store.templates.get(templateVersion),
    ...kept,
    history,
    rollout: await rolloutOf(store, internalization, history),
  })
}
