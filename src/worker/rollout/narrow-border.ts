/** Finds a border for a route whose loss has risen above the margin, so that a part of it may stay. */
import { bordersOf } from '../../core/internalization/live-route.ts'
import { NarrowingReader } from '../../core/rollout/border.ts'
import type { LossBounds } from '../../core/rollout/stages.ts'
import { asEvidence } from '../../core/rollout/pair.ts'
import { Thinning } from '../../core/rollout/thinning.ts'
import { pairPages } from '../../lifecycle/read-evidence-path.ts'
import type { WorkerDeps } from '../deps.ts'
import type { AuditedRoute } from './judge-audits.ts'

/**
 * Reads all pairs again, because it happens once in the life of a route.
 * @param until place of the last pair that the route was judged by
 * @returns see `NarrowingReader.narrowed`
 */
export const findNarrowerBorder = async (
  { store, rollout }: Pick<WorkerDeps, 'store' | 'rollout'>,
  { internalization, template, route }: AuditedRoute,
  { margin, least }: LossBounds,
  until: number
): Promise<ReturnType<NarrowingReader['narrowed']>> => {
  const { narrower } = bordersOf(internalization, template)
  if (narrower.length === 0) return null
  const reader = new NarrowingReader(route.threshold, narrower)
  const thinning = new Thinning()
  const isJudged = internalization.plan?.judge !== undefined
  for await (const page of pairPages(store, route.lora)) {
    for (const pair of page)
      if (pair.place <= until && thinning.keeps(pair)) reader.read(asEvidence(pair, isJudged))
    if ((page.at(-1)?.place ?? until) >= until) break
  }
  const { stepCapital, rollbackCapital } = rollout
  return reader.narrowed({ margin, least, stepCapital, rollbackCapital })
}
