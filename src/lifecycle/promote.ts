/**
 * Promotion, rejection and rollback, for worker, admin API and CLI. Routes are derived from states: each function
 * writes a state first, then `settleRoute` updates the route. After a crash in between, repeating the
 * call or starting the worker updates the route. Until then it has the traffic of the state before, but a
 * state that is not live takes its route away at once.
 */
import { isDeepStrictEqual } from 'node:util'
import {
  borderOf,
  rolloutStageOf,
  withheldBy,
  type Internalization,
  type InternalizationState,
} from '../core/internalization/internalization.ts'
import { routeOf } from '../core/internalization/live-route.ts'
import { transition } from './transitions.ts'
import { AppError } from '../errors.ts'
import { reasonOf, type Reason } from '../core/reason.ts'
import { NO_PAIRS } from '../core/rollout/evidence.ts'
import {
  firstShare,
  nextShare,
  stageOf,
  trafficShares,
  type EvidenceFigures,
  type RolloutSettings,
  type RolloutStage,
} from '../core/rollout/stages.ts'
import type { Template } from '../core/template/template.ts'
import type { Store } from '../store/store.ts'

export interface PromotionContext {
  /** cause in the history: `worker`, `admin`, `cli` */
  by: string
  /** why, in the history of the decision */
  note?: string
  /** milliseconds since the epoch */
  now: number
  rollout: RolloutSettings
  /** how much is audited before the last stage; by default `all` */
  audits?: 'all' | 'few'
  /** part of the stage's audits that are made; by default as the route has it */
  auditPart?: number
}

type LiveState = Extract<InternalizationState, { name: 'live' }>

const saveState = (
  store: Store,
  internalization: Internalization,
  state: InternalizationState,
  { by, now, note }: PromotionContext
): Promise<Internalization> =>
  store.internalizations.save(transition(internalization, state), by, now, note)

type InState<Name> = Internalization & { state: Extract<InternalizationState, { name: Name }> }

/** @returns the template's internalizations in a state, the one that changed last first */
const inState = async <Name extends InternalizationState['name']>(
  store: Store,
  templateVersion: string,
  name: Name
): Promise<InState<Name>[]> =>
  (await store.internalizations.list())
    .filter(
      (row): row is InState<Name> =>
        row.templateVersion === templateVersion && row.state.name === name
    )
    .sort((a, b) => b.updatedAt - a.updatedAt || b.createdAt - a.createdAt)

const templateOf = async (
  store: Store,
  { templateVersion }: Internalization
): Promise<Template> => {
  const template = await store.templates.get(templateVersion)
  if (template === null)
    throw new AppError('not-found', `template ${templateVersion} does not exist`)
  return template
}

const putRoute = async (
  store: Store,
  live: InState<'live'>,
  { rollout, audits, ...given }: PromotionContext
): Promise<void> => {
  const routes = await store.routes.list()
  const known = routes.find(({ internalizationId }) => internalizationId === live.id)
  const auditPart = given.auditPart ?? known?.auditPart
  const limits = { ...(audits && { audits }), ...(auditPart !== undefined && { auditPart }) }
  const shares = trafficShares(live.state.stage, rollout, limits)
  const route = routeOf(live, await templateOf(store, live), shares)
  // writing an unchanged route would make every process compile its table again
  if (!routes.some((existing) => isDeepStrictEqual(existing, route))) await store.routes.put(route)
}

/**
 * Updates the template's route to its newest live internalization, and retires the older ones.
 */
export const settleRoute = async (
  store: Store,
  templateVersion: string,
  { note: _ofDecision, ...context }: PromotionContext
): Promise<void> => {
  const [live, ...older] = await inState(store, templateVersion, 'live')
  if (live === undefined) return store.routes.remove(templateVersion)
  await putRoute(store, live, context)
  for (const row of older) {
    await saveState(
      store,
      row,
      { name: 'retired', reason: reasonOf('replaced', { by: live.id }) },
      context
    )
  }
}

/** Saves the state, and updates the route. */
const change = async (
  store: Store,
  internalization: Internalization,
  state: InternalizationState,
  context: PromotionContext
): Promise<Internalization> => {
  const changed = await saveState(store, internalization, state, context)
  await settleRoute(store, changed.templateVersion, context)
  return changed
}

/** Saves the state unless it is there already, and updates the route. */
const enter = async (
  store: Store,
  internalization: Internalization,
  state: InternalizationState,
  context: PromotionContext
): Promise<Internalization> => {
  if (internalization.state.name !== state.name)
    return change(store, internalization, state, context)
  await settleRoute(store, internalization.templateVersion, context)
  return internalization
}

/** For the start of the worker: updates all routes. */
export const settleRoutes = async (store: Store, context: PromotionContext): Promise<void> => {
  const live = (await store.internalizations.list()).filter(({ state }) => state.name === 'live')
  const routes = await store.routes.list()
  const versions = new Set([
    ...live.map((row) => row.templateVersion),
    ...routes.map(({ template }) => template.version),
  ])
  for (const version of versions) await settleRoute(store, version, context)
}

/**
 * From approval to a stage of the rollout. The previous live internalization retires. May be repeated.
 * @param stage by default the first one
 * @throws AppError `invalid-state` when it does not wait for approval or its verdict is not to promote
 */
export const goLive = async (
  store: Store,
  internalization: Internalization,
  context: PromotionContext,
  stage = stageOf(firstShare(context.rollout), NO_PAIRS, context.now)
): Promise<Internalization> => {
  // throws before the state is written
  const template = await templateOf(store, internalization)
  routeOf(internalization, template, trafficShares(stage, context.rollout))
  return enter(store, internalization, { name: 'live', stage }, context)
}

/** What pairs have said of a live route, which stays from stage to stage. */
const learnedFrom = (state: InternalizationState): Pick<LiveState, 'border' | 'withheld'> => {
  const [border, withheld] = [borderOf(state), withheldBy(state)]
  return { ...(border && { border }), ...(withheld.length > 0 && { withheld: [...withheld] }) }
}

/**
 * Enters any stage of the rollout. @param evidence why; it is kept in the history
 * @throws AppError `invalid-state` when it cannot be live
 */
export const enterStage = async (
  store: Store,
  internalization: Internalization,
  { stage, evidence }: { stage: RolloutStage; evidence?: EvidenceFigures },
  context: PromotionContext
): Promise<Internalization> => {
  const state = {
    name: 'live',
    stage,
    ...(evidence && { evidence }),
    ...learnedFrom(internalization.state),
  } as const
  return change(store, internalization, state, context)
}

/**
 * Changes what a live route answers.
 * @param changed the confidence from which on it answers, with the stage where it counts other pairs from then on, or
 * the answers that it no longer gives; with what that does to its coverage
 * @throws AppError `invalid-state` when it is not live
 */
export const adjustRoute = async (
  store: Store,
  internalization: Internalization,
  changed: Partial<Pick<LiveState, 'stage' | 'border' | 'withheld' | 'coverage'>>,
  context: PromotionContext
): Promise<Internalization> => {
  const { id, state } = internalization
  const stage = rolloutStageOf(state)
  if (stage === null) throw new AppError('invalid-state', `internalization ${id} is not live`)
  const adjusted = { name: 'live', stage, ...learnedFrom(state), ...changed } as const
  return change(store, internalization, adjusted, context)
}

/**
 * Enters the next stage of the rollout. @param evidence why; it is kept in the history
 * @throws AppError `invalid-state` when it is not live, paused, or in its last stage
 */
export const enterNextStage = async (
  store: Store,
  internalization: Internalization,
  evidence: EvidenceFigures,
  context: PromotionContext
): Promise<Internalization> => {
  const { id, state } = internalization
  const present = rolloutStageOf(state)
  if (present?.isPaused) throw new AppError('invalid-state', `internalization ${id} is paused`)
  const share = present && nextShare(present, context.rollout)
  if (share === null)
    throw new AppError('invalid-state', `internalization ${id} has no further stage of its rollout`)
  const stage = stageOf(share, evidence, context.now)
  return enterStage(store, internalization, { stage, evidence }, context)
}

type RetiredState = Extract<Internalization['state'], { name: 'retired' }>

/**
 * Retires a live internalization; the upstream answers its template again. May be repeated.
 * @param grounds the evidence, if it is the reason: then it cannot go live again
 * @throws AppError `invalid-state` when it is not live
 */
export const retire = (
  store: Store,
  internalization: Internalization,
  reason: Reason,
  context: PromotionContext,
  grounds: Pick<RetiredState, 'evidence' | 'feedback'> = {}
): Promise<Internalization> => {
  const state = { name: 'retired', reason, ...grounds } as const
  return enter(store, internalization, state, context)
}

/**
 * Ends an internalization that is not live, for good.
 * @throws AppError `invalid-state` in training, whose job would go on, and when it is live or has ended
 */
export const reject = async (
  store: Store,
  internalization: Internalization,
  reason: Reason,
  context: PromotionContext
): Promise<Internalization> => {
  const { id, state } = internalization
  if (state.name === 'training')
    throw new AppError('invalid-state', `internalization ${id} is training: reject it afterwards`)
  return saveState(store, internalization, { name: 'rejected', reason }, context)
}

/** The state in which it was live last, with its stage; without what was the reason of a step then. */
const lastLiveState = async (
  { internalizations }: Store,
  { id }: Internalization
): Promise<InternalizationState> => {
  const states = (await internalizations.history(id)).map(({ to }) => to)
  const last = states.findLast((state) => state.name === 'live')!
  return { name: 'live', stage: last.stage, ...learnedFrom(last) }
}

/**
 * Retires the template's live internalization and makes the one that it replaced live again, if there
 * is one. @throws AppError `not-found` when the template has no live internalization
 */
export const rollBack = async (
  store: Store,
  templateVersion: string,
  reason: Reason,
  context: PromotionContext
): Promise<{ retired: Internalization; restored: Internalization | null }> => {
  const [live] = await inState(store, templateVersion, 'live')
  if (live === undefined) {
    // an interrupted call may have left the route of an internalization that it retired
    await settleRoute(store, templateVersion, context)
    throw new AppError('not-found', `template ${templateVersion} has no live route`)
  }
  const retired = await retire(store, live, reason, context)
  const previous = (await inState(store, templateVersion, 'retired')).find(
    ({ state: { reason: why } }) => why.code === 'replaced' && why.figures.by === live.id
  )
  const restored =
    previous === undefined
      ? null
      : await enter(store, previous, await lastLiveState(store, previous), context)
  return { retired, restored }
}

export interface TakenBack {
  /** retired if it was live, else rejected */
  ended: Internalization
  /** the one that it replaced, live again */
  restored: Internalization | null
}

/**
 * Takes an internalization back: from a live one the requests go to the one that it replaced, if any, or with
 * `keepPreviousRetired` to the upstream; one that is not live is rejected for good.
 * @throws AppError `invalid-state` in training, and when it has ended
 */
export const takeBack = async (
  store: Store,
  internalization: Internalization,
  { reason, keepPreviousRetired = false }: { reason: Reason; keepPreviousRetired?: boolean },
  context: PromotionContext
): Promise<TakenBack> => {
  const { id, state, templateVersion } = internalization
  switch (state.name) {
    case 'live': {
      if (keepPreviousRetired)
        return { ended: await retire(store, internalization, reason, context), restored: null }
      const { retired, restored } = await rollBack(store, templateVersion, reason, context)
      return { ended: retired, restored }
    }
    case 'retired':
      // an interrupted call may have left its route
      await settleRoute(store, templateVersion, context)
      throw new AppError('invalid-state', `internalization ${id} is retired already`)
    default:
      return { ended: await reject(store, internalization, reason, context), restored: null }
  }
}
