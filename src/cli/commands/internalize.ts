import { reasonText } from '../../core/reasons/say-reason.ts'
import { randomUUID } from 'node:crypto'
import { Command } from 'commander'
import {
  armRows,
  evaluationRows,
  newInternalization,
  stageName,
  type Internalization,
} from '../../core/internalization/internalization.ts'
import type { Store } from '../../store/store.ts'
import { advance } from '../../worker/internalize/internalize.ts'
import { readJudgeProgress, readProgress } from '../../worker/internalize/progress.ts'
import {
  internalizationOf,
  requireWorkersEngine,
  sayHandedOver,
  templateOf,
  withWorker,
  type Here,
  type There,
} from '../context.ts'
import { PrintedResult } from '../exit-code.ts'
import { EXIT } from '../../process/exit.ts'
import { noteText } from '../options.ts'
import { print, writeError, type OutputOptions, type Screen } from '../output.ts'
import { internalizationTitle, readTitles, type Titles } from '../titles.ts'
import { planRulesText, verdictText } from '../verdict-text.ts'
import { populationLines } from '../../views/say-population.ts'
import { internalizationView } from '../../views/internalization.ts'
import { stateWords } from '../../views/say-state.ts'
import { visibleName } from '../../visible-text.ts'
import { itemAt } from '../../core/lists.ts'

const WORKING = new Set<Internalization['state']['name']>(['candidate', 'training', 'evaluating'])
const POLL_MS = 500

/** The template's unfinished internalization, or a new one. */
const beginOrResume = async (store: Store, wanted: string, note?: string): Promise<string> => {
  const template = await templateOf(store, wanted)
  const active = (await store.internalizations.list()).find(
    (row) => row.templateVersion === template.version && WORKING.has(row.state.name)
  )
  if (active !== undefined) return active.id
  const created = newInternalization(randomUUID(), template, Date.now())
  await store.internalizations.create(created, 'cli', note)
  return created.id
}

const showProgress = async (
  store: Store,
  { progress }: Screen,
  { id, state, plan }: Internalization
): Promise<void> => {
  if (state.name === 'evaluating' && plan !== null) {
    const judged = await readJudgeProgress(store, id)
    if (judged !== null)
      return progress.update(`${plan.judge?.model} (${judged.compares})`, judged.done, judged.of)
    const done = armRows(plan, await store.internalizations.evaluations(id)).length
    progress.update('held-out answers', done, evaluationRows(plan))
  }
  if (state.name !== 'training' || plan === null) return
  const live = await readProgress(store, id)
  if (live?.metrics == null) return
  const { step, total_steps: total, train_loss: loss, eta_seconds: eta } = live.metrics
  progress.update(
    stageName(itemAt(plan.arms, live.arm), live.stage),
    step ?? 0,
    total ?? 1,
    `loss ${(loss ?? 0).toFixed(3)}  ${Math.round(eta ?? 0)} s left`
  )
}

const internalizeHere = async (
  { deps, screen }: Here,
  version: string,
  note?: string
): Promise<Internalization> => {
  const id = await beginOrResume(deps.store, version, note)
  for (;;) {
    const row = await internalizationOf(deps.store, id)
    await showProgress(deps.store, screen, row)
    if (!WORKING.has(row.state.name)) return row
    const outcome = await advance(deps, deps.engine!, row)
    if (outcome !== 'advanced') await deps.sleep(POLL_MS)
  }
}

/** The worker trains one internalization at a time, the oldest first. */
const tellWhatComesFirst = async (store: Store, id: string): Promise<void> => {
  const working = (await store.internalizations.list()).filter(({ state }) =>
    WORKING.has(state.name)
  )
  const [first] = working.sort((a, b) => a.createdAt - b.createdAt)
  if (first === undefined || first.id === id) return
  writeError(`the worker finishes ${internalizationTitle(first, await readTitles(store))} first\n`)
}

const internalizeThere = async (
  { store, screen, until }: There,
  version: string,
  note?: string
): Promise<Internalization> => {
  await requireWorkersEngine(store)
  const id = await beginOrResume(store, version, note)
  await tellWhatComesFirst(store, id)
  return until(async () => {
    const row = await internalizationOf(store, id)
    await showProgress(store, screen, row)
    return WORKING.has(row.state.name) ? null : row
  })
}

const resultText = (row: Internalization, titles: Titles): string => {
  const { id, state, plan, verdict, templateVersion } = row
  return [
    `${internalizationTitle({ id, templateVersion }, titles)}: ${stateWords(state)}`,
    ...(plan === null
      ? []
      : [...populationLines(plan.population).map(visibleName), ...planRulesText(plan)]),
    ...(verdict === null ? [] : [verdictText(row, verdict)]),
    ...((verdict === null && state.name === 'rejected') || state.name === 'failed'
      ? [reasonText(state.reason)]
      : []),
    ...(state.name === 'approval'
      ? [`to make it live, run: promptintern promote ${titles.id(templateVersion)}`]
      : []),
  ].join('\n')
}

interface InternalizeOptions extends OutputOptions {
  reason?: string
}

const titled = async (store: Store, row: Internalization) => ({
  row,
  view: await internalizationView(store, row),
  titles: await readTitles(store),
})

const internalize = async (version: string, options: InternalizeOptions): Promise<void> => {
  const { row, view, titles } = await withWorker({
    needsEngine: true,
    check: (store) => templateOf(store, version),
    here: async (here) =>
      titled(here.deps.store, await internalizeHere(here, version, options.reason)),
    there: async (there) => {
      sayHandedOver(options)
      return titled(there.store, await internalizeThere(there, version, options.reason))
    },
  })
  const { state } = row
  print(options.json ? view : resultText(row, titles))
  if (state.name === 'failed' || state.name === 'rejected')
    throw new PrintedResult(EXIT.notAccepted)
}

export const internalizeCommand = (): Command =>
  new Command('internalize')
    .description('train and evaluate one template now, or resume where it stopped')
    .argument('<template>', 'template version, or the start of it')
    .option('--reason <text>', 'stored in the history', noteText)
    .option('--json', 'print JSON')
    .action(internalize)
