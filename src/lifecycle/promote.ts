/**
 * Going live and back, as worker, admin API and CLI do it. The states are the truth and the routes
 * follow them: each function writes a state first and then lets `settleRoute` catch up. What a crash
 * or a store that failed left in between ends when the call is repeated, and when the worker starts.
 */
import { isDeepStrictEqual } from 'node:util'
import {
  isCurrentPlan,
  type Internalization,
  type InternalizationState,
} from '../core/lifecycle/internalization.ts'
import { routeOf } from '../core/lifecycle/live-route.ts'
import { transition } from '../core/lifecycle/transitions.ts'
import { AppError } from '../errors.ts'
import type { Store } from '../store/store.ts'

export interface PromotionContext {
  /** who causes it: `worker`, `admin`, `cli` */
  by: string
  /** milliseconds since the epoch */
  now: number
  /** share of the matching requests that the route may answer, 0 to 1 */
  trafficShare: number
}

const replacedBy = (id: string): string => `replaced by ${id}`

const saveState = (
  store: Store,
  internalization: Internalization,
  state: InternalizationState,
  { by, now }: PromotionContext
): Promise<Internalization> =>
  store.internalizations.save(transition(internalization, state), by, now)

/** The template's internalizations in a state, the one that got there last first. */
const inState = async (
  store: Store,
  templateVersion: string,
  name: InternalizationState['name']
): Promise<Internalization[]> =>
  (await store.internalizations.list())
    .filter((row) => row.templateVersion === templateVersion && row.state.name === name)
    .sort((a, b) => b.updatedAt - a.updatedAt || b.createdAt - a.createdAt)

const putRoute = async (
  store: Store,
  live: Internalization,
  { trafficShare }: PromotionContext
): Promise<void> => {
  const template = await store.templates.get(live.templateVersion)
  if (template === null) {
    throw new AppError('not-found', `there is no template ${live.templateVersion}`)
  }
  const route = routeOf(live, template, trafficShare)
  const routes = await store.routes.list()
  // an unchanged route is not written, or every process would compile its table anew
  if (!routes.some((existing) => isDeepStrictEqual(existing, route))) await store.routes.put(route)
}

/** Makes the template's route that of its live internalization, and retires those before it. */
const settleRoute = async (
  store: Store,
  templateVersion: string,
  context: PromotionContext
): Promise<void> => {
  const [live, ...older] = await inState(store, templateVersion, 'live')
  if (live === undefined) return store.routes.remove(templateVersion)
  await putRoute(store, live, context)
  for (const row of older) {
    await saveState(store, row, { name: 'retired', reason: replacedBy(live.id) }, context)
  }
}

const OUTDATED = 'proved by an earlier version, for less than a route answers: internalize again'

/**
 * For the start of the worker: routes of all templates agree with the states again. What an earlier
 * version proved retires.
 */
export const settleRoutes = async (store: Store, context: PromotionContext): Promise<void> => {
  const live = (await store.internalizations.list()).filter(({ state }) => state.name === 'live')
  for (const row of live.filter(({ plan }) => !isCurrentPlan(plan)))
    await saveState(store, row, { name: 'retired', reason: OUTDATED }, context)
  const routes = await store.routes.list()
  const versions = new Set([
    ...live.map((row) => row.templateVersion),
    ...routes.map(({ template }) => template.version),
  ])
  for (const version of versions) await settleRoute(store, version, context)
}

/**
 * From approval to live: the template's requests are answered from now on, and the internalization
 * that did so before retires. Harmless to repeat.
 * @throws AppError `invalid-state` when it does not wait for approval or has no passed verdict
 */
export const goLive = async (
  store: Store,
  internalization: Internalization,
  context: PromotionContext
): Promise<Internalization> => {
  const template = await store.templates.get(internalization.templateVersion)
  if (template === null) {
    throw new AppError('not-found', `there is no template ${internalization.templateVersion}`)
  }
  // refused before the state says live
  routeOf(internalization, template, context.trafficShare)
  const live =
    internalization.state.name === 'live'
      ? internalization
      : await saveState(store, internalization, { name: 'live' }, context)
  await settleRoute(store, live.templateVersion, context)
  return live
}

/**
 * Takes a live internalization out of service; its template goes to the upstream. Harmless to repeat.
 * @throws AppError `invalid-state` when it is not live
 */
export const retire = async (
  store: Store,
  internalization: Internalization,
  reason: string,
  context: PromotionContext
): Promise<Internalization> => {
  const retired =
    internalization.state.name === 'retired'
      ? internalization
      : await saveState(store, internalization, { name: 'retired', reason }, context)
  await settleRoute(store, retired.templateVersion, context)
  return retired
}

/**
 * Takes the template's live internalization out of service and brings back the one that it
 * replaced, if there is one. @returns the two
 * @throws AppError `not-found` when nothing is live for the template
 */
export const rollBack = async (
  store: Store,
  templateVersion: string,
  reason: string,
  context: PromotionContext
): Promise<{ retired: Internalization; restored: Internalization | null }> => {
  const [live] = await inState(store, templateVersion, 'live')
  if (live === undefined) {
    // an interrupted call may have left the route of what it has retired
    await settleRoute(store, templateVersion, context)
    throw new AppError('not-found', `template ${templateVersion} has no live route`)
  }
  const retired = await retire(store, live, reason, context)
  const [previous] = (await inState(store, templateVersion, 'retired')).filter(
    ({ state }) => state.name === 'retired' && state.reason === replacedBy(live.id)
  )
  const restored = previous === undefined ? null : await goLiveAgain(store, previous, context)
  return { retired, restored }
}

const goLiveAgain = async (
  store: Store,
  previous: Internalization,
  context: PromotionContext
): Promise<Internalization> => {
  const restored = await saveState(store, previous, { name: 'live' }, context)
  await settleRoute(store, restored.templateVersion, context)
  return restored
}
