/** Reads the rollout of a live internalization, and the internalization that a command means. */
import type { CoverageStep } from '../../core/internalization/coverage-steps.ts'
import type { Internalization } from '../../core/internalization/internalization.ts'
import type { RolloutSettings } from '../../core/rollout/stages.ts'
import { shortId } from '../../core/template/name.ts'
import { AppError } from '../../errors.ts'
import { findInternalization, findTemplate } from '../../lifecycle/find.ts'
import {
  readRolloutReport,
  rolloutProgress,
  routeSteps,
  type RolloutProgress,
  type RolloutReport,
} from '../../lifecycle/rollout-report.ts'
import type { Store } from '../../store/store.ts'

export interface Rollout {
  /** null when the internalization is not live */
  progress: RolloutProgress | null
  /** null before the worker has made one */
  report: RolloutReport | null
  /** how much it has answered, and why */
  coverageSteps: CoverageStep[]
}

export const rolloutOf = async (
  store: Store,
  internalization: Internalization,
  settings: Pick<RolloutSettings, 'stages'>
): Promise<Rollout> => {
  const report = await readRolloutReport(store, internalization.id)
  const history = await store.internalizations.history(internalization.id)
  return {
    progress: rolloutProgress(internalization, report, settings),
    report,
    coverageSteps: routeSteps(internalization, history),
  }
}

/** @returns by id, of those that are live */
export const liveRollouts = async (
  store: Store,
  internalizations: readonly Internalization[],
  settings: Pick<RolloutSettings, 'stages'>
): Promise<Map<string, Rollout>> => {
  const rollouts = new Map<string, Rollout>()
  for (const row of internalizations)
    if (row.state.name === 'live') rollouts.set(row.id, await rolloutOf(store, row, settings))
  return rollouts
}

type StateName = Internalization['state']['name']

/** In the help of commands that decide about a live route. */
export const OF_LIVE =
  'id, or its start, of an internalization or a template; a template stands for its live internalization'

/**
 * By its own id or the start of it, or of a template: the newest one in the first of the states that one is in, else the newest.
 * @throws AppError `not-found`, `conflict`, `invalid-state`
 */
export const chosen = async (
  store: Store,
  wanted: string,
  preferred: readonly StateName[]
): Promise<Internalization> => {
  const own = await findInternalization(store, wanted)
  if (own !== null) return own
  const template = await findTemplate(store, wanted)
  if (template === null)
    throw new AppError(
      'not-found',
      `${wanted} is neither a template nor an internalization: promptintern status lists the templates`
    )
  const rows = (await store.internalizations.list()).filter(
    ({ templateVersion }) => templateVersion === template.version
  )
  const newest = [...preferred, null].flatMap(
    (name) => rows.findLast(({ state }) => name === null || state.name === name) ?? []
  )
  if (newest[0] === undefined)
    throw new AppError(
      'invalid-state',
      `template ${shortId(template.version)} has no internalization yet: run promptintern internalize ${wanted}`
    )
  return newest[0]
}
