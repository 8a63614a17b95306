/** All that is shown of a rollout, read from the store. The figures of its pairs are the worker's. */
import { winningLora, type Internalization } from '../../core/internalization/internalization.ts'
import { resumedStage, stageName, type RolloutSettings } from '../../core/rollout/stages.ts'
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
}

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
}

/** @returns reads the present state */
export const viewRollout =
  ({ store, id, titles, settings }: Viewed): ReadView =>
  async () => {
    const row = await internalizationOf(store, id)
    const rollout = await rolloutOf(store, row, settings)
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
    }
  }
