/** All that is shown of a rollout, read from the store. The figures of its pairs are the worker's. */
import type { ControlComparison } from '../../core/cost/control-group.ts'
import type { Price } from '../../core/cost/prices.ts'
import { winningLora, type Internalization } from '../../core/internalization/internalization.ts'
import { resumedStage, stageName, type RolloutSettings } from '../../core/rollout/stages.ts'
import { loadControlGroup } from '../../savings/control-group.ts'
import type { Store } from '../../store/store.ts'
import type { Titles } from '../titles.ts'
import { rolloutOf, type Rollout } from './rollout-of.ts'
import { internalizationOf } from '../context.ts'

export interface RolloutView extends Rollout {
  internalization: string
  template: string
  /** of the template, as people are shown it and commands take it */
  shown: { id: string; name: string; title: string }
  lora: string
  state: Internalization['state']
  /** names of all stages, in order */
  stages: string[]
  /** the worker enters stages itself */
  steps: boolean
  groups: ControlComparison
}

/** The log is read anew after this time; the report at every call. */
const GROUPS_TTL_MS = 10_000

export type ReadView = () => Promise<RolloutView>

type Settings = Pick<RolloutSettings, 'stages' | 'steps'>

const stageNames = ({ stages }: Settings, { progress, report }: Rollout): string[] => {
  // the server's settings may have changed since the stage began
  const stage = progress?.stage ?? report?.stage
  const present = stage && resumedStage(stage)
  const shares = new Set([...stages, ...(present === undefined ? [] : [present.share])])
  return [...shares].sort((a, b) => a - b).map((share) => stageName({ share }))
}

interface Viewed {
  store: Store
  /** was live at some time */
  id: string
  titles: Titles
  settings: Settings
  prices: readonly Price[]
  /** milliseconds */
  now: () => number
}

/** @returns reads the present state; the log is read at most every ten seconds */
export const viewRollout = ({ store, id, titles, settings, prices, now }: Viewed): ReadView => {
  let groups: { value: ControlComparison; until: number } | null = null
  return async () => {
    const row = await internalizationOf(store, id)
    const rollout = await rolloutOf(store, row, settings)
    if (groups === null || groups.until <= now()) {
      const value = (await loadControlGroup(store, row, prices))!
      groups = { value, until: now() + GROUPS_TTL_MS }
    }
    return {
      ...rollout,
      internalization: id,
      template: row.templateVersion,
      shown: {
        id: titles.id(row.templateVersion),
        name: titles.name(row.templateVersion),
        title: titles.title(row.templateVersion),
      },
      lora: winningLora(row)!,
      state: row.state,
      stages: stageNames(settings, rollout),
      steps: settings.steps,
      groups: groups.value,
    }
  }
}
