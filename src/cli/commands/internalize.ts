import { randomUUID } from 'node:crypto'
import { Command } from 'commander'
import {
  evaluationRows,
  newInternalization,
  stageName,
  type Internalization,
} from '../../core/lifecycle/internalization.ts'
import { AppError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import type { WorkerDeps } from '../../worker/deps.ts'
import { advance } from '../../worker/internalize/internalize.ts'
import { readProgress } from '../../worker/internalize/progress.ts'
import { withWorker } from '../context.ts'
import { createProgress, print, type OutputOptions, type Progress } from '../output.ts'
import { populationText, verdictText } from '../verdict-text.ts'

const WORKING = new Set<Internalization['state']['name']>(['candidate', 'training', 'evaluating'])
const POLL_MS = 500

/** The template's unfinished internalization, or a new one. */
const beginOrResume = async (deps: WorkerDeps, version: string): Promise<string> => {
  const template = await deps.store.templates.get(version)
  if (template === null)
    throw new AppError(
      'not-found',
      `no template ${version}: promptintern detect lists the templates`
    )
  const active = (await deps.store.internalizations.list()).find(
    (row) => row.templateVersion === version && WORKING.has(row.state.name)
  )
  if (active !== undefined) return active.id
  const created = newInternalization(randomUUID(), template, deps.now())
  await deps.store.internalizations.create(created)
  return created.id
}

const show = async (
  store: Store,
  internalization: Internalization,
  progress: Progress
): Promise<void> => {
  const { state, plan } = internalization
  if (state.name === 'evaluating' && plan !== null) {
    const done = (await store.internalizations.evaluations(internalization.id)).length
    progress.update('held-out answers', done, evaluationRows(plan))
  }
  if (state.name !== 'training' || plan === null) return
  const live = await readProgress(store, internalization.id)
  if (live?.metrics == null) return
  const { step, total_steps: total, train_loss: loss, eta_seconds: eta } = live.metrics
  progress.update(
    stageName(plan.arms[live.arm]!, live.stage),
    step ?? 0,
    total ?? 1,
    `loss ${(loss ?? 0).toFixed(3)}  ${Math.round(eta ?? 0)} s left`
  )
}

const runToEnd = async (deps: WorkerDeps, id: string): Promise<Internalization> => {
  const progress = createProgress()
  try {
    for (;;) {
      const row = (await deps.store.internalizations.get(id))!
      await show(deps.store, row, progress)
      if (!WORKING.has(row.state.name)) return row
      const outcome = await advance(deps, deps.engine!, row)
      if (outcome !== 'advanced') await deps.sleep(POLL_MS)
    }
  } finally {
    progress.stop()
  }
}

const internalize = (version: string, options: OutputOptions): Promise<void> =>
  withWorker(
    async (deps) => {
      const { id, state, plan, verdict } = await runToEnd(deps, await beginOrResume(deps, version))
      if (options.json) return print({ id, state, population: plan?.population ?? null, verdict })
      print(`${id}  ${state.name}`)
      if (plan !== null) print(populationText(plan.population))
      if (verdict !== null) print(verdictText(verdict))
      else if (state.name === 'rejected') print(state.reason)
      else if (state.name === 'failed') print(state.cause)
      if (state.name === 'approval') print(`to approve it, run: promptintern promote ${id}`)
    },
    { engine: 'needed' }
  )

export const internalizeCommand = (): Command =>
  new Command('internalize')
    .description('train and evaluate one template now, or resume where it stopped')
    .argument('<template>', 'template version')
    .option('--json', 'print JSON')
    .action(internalize)
