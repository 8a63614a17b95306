/** The worker's jobs: internalizations and forgettings, and what has ended lately. */
import { templateNames } from '../../../lifecycle/find.ts'
import {
  evaluationRows,
  progressSnapshot,
  stageName,
  type Internalization,
} from '../../../core/internalization/internalization.ts'
import type { StageProgress } from '../../../core/internalization/stage-progress.ts'
import { readTasks, type ForgetTask } from '../../../lifecycle/forget-task.ts'
import { readJsonSnapshots } from '../../../store/json-snapshot.ts'
import type { Store } from '../../../store/store.ts'
import { InternalizationLink, TemplateLink, type Names } from '../links.tsx'
import { trainedSeconds } from '../../../core/cost/template-economics.ts'
import type { AdminDeps, ProcessStatus } from '../../deps.ts'
import type { AddView } from '../env.ts'
import { Live } from '../layout.tsx'
import { Notice, Time } from '../parts/figures.tsx'
import { ago, counted, duration, percent, whole } from '../../../core/figure-text.ts'
import { ExplainedState, StateBadge } from '../parts/state.tsx'
import { numbers, Table } from '../parts/table.tsx'
import { Line } from '../parts/text.tsx'
import { show } from '../show.tsx'

const WEEK_MS = 7 * 86_400_000
const MAX_ENDED = 20
/** whose held-out answers are counted; the worker judges one after another */
const MAX_COUNTED = 10

/** Held-out requests that were answered, of all that will be. */
interface Evaluated {
  done: number
  of: number
}

interface Job {
  row: Internalization
  /** null: not in training, or nothing was reported of this stage yet */
  progress: StageProgress | null
  /** null: not being judged */
  evaluated: Evaluated | null
}

interface LoadedJobs {
  /** oldest first */
  working: Job[]
  forgetting: ForgetTask[]
  /** newest first */
  ended: Internalization[]
  names: Names
}

const isWorking = ({ state }: Internalization): boolean =>
  state.name === 'candidate' || state.name === 'training' || state.name === 'evaluating'

const progressOf = (
  { state }: Internalization,
  progress: StageProgress | undefined
): StageProgress | null =>
  state.name === 'training' && progress?.arm === state.arm && progress.stage === state.stage
    ? progress
    : null

const evaluatedOf = async ({ internalizations }: Store, id: string): Promise<Evaluated | null> => {
  const plan = (await internalizations.get(id))?.plan
  if (plan === null || plan === undefined) return null
  const counts = await internalizations.evaluationCounts(id)
  const done = plan.arms.reduce((sum, _arm, at) => sum + (counts.get(at) ?? 0), 0)
  return { done, of: evaluationRows(plan) }
}

/** @param now milliseconds since the epoch */
const loadJobs = async (store: Store, now: number): Promise<LoadedJobs> => {
  const rows = await store.internalizations.list({ recordIds: false })
  const progress = new Map(await readJsonSnapshots<StageProgress>(store, progressSnapshot('')))
  const judged = rows.filter(({ state }) => state.name === 'evaluating').slice(0, MAX_COUNTED)
  const evaluated = new Map<string, Evaluated | null>()
  for (const { id } of judged) evaluated.set(id, await evaluatedOf(store, id))
  return {
    working: rows.filter(isWorking).map((row) => ({
      row,
      progress: progressOf(row, progress.get(row.id)),
      evaluated: evaluated.get(row.id) ?? null,
    })),
    forgetting: (await readTasks(store)).map(([, task]) => task),
    ended: rows
      .filter((row) => !isWorking(row) && now - row.updatedAt < WEEK_MS)
      .sort((a, b) => b.updatedAt - a.updatedAt)
      .slice(0, MAX_ENDED),
    names: await templateNames(store),
  }
}

/** A bar and its words. */
const Bar = ({ done, of, unit }: { done: number; of: number; unit: string }) => (
  <>
    <progress value={done} max={of} aria-label={`${unit} of ${of}`} />
    <small>
      {unit} {whole(done)} of {whole(of)} ({percent(done / of)})
    </small>
  </>
)

const metric = ({ metrics }: StageProgress, name: string): number | null => metrics?.[name] ?? null

const trainingCell = (progress: StageProgress, now: number) => {
  const [step, steps] = [metric(progress, 'step'), metric(progress, 'total_steps')]
  const loss = metric(progress, 'train_loss')
  const speed = metric(progress, 'tokens_per_second')
  return (
    <>
      {step !== null && steps !== null && steps > 0 ? (
        <Bar done={step} of={steps} unit="step" />
      ) : (
        <Line text={progress.message ?? progress.status} chars={100} />
      )}
      <small>
        {loss !== null && `loss ${loss.toPrecision(3)}, `}
        {speed !== null && `${whole(speed)} tokens a second, `}
        reported {ago(progress.at, now)}
      </small>
    </>
  )
}

const evaluatedCell = ({ done, of }: Evaluated) =>
  of === 0 ? '' : <Bar done={Math.min(done, of)} of={of} unit="held-out request" />

const progressCell = ({ progress, evaluated }: Job, now: number) => {
  if (evaluated !== null) return evaluatedCell(evaluated)
  return progress === null ? '' : trainingCell(progress, now)
}

const stageCell = ({ state, plan }: Internalization): string => {
  const arm = state.name === 'training' ? plan?.arms[state.arm] : undefined
  return state.name === 'training' && arm !== undefined ? stageName(arm, state.stage) : ''
}

const etaCell = ({ progress }: Job): string => {
  const seconds = progress === null ? null : metric(progress, 'eta_seconds')
  return seconds === null ? '' : duration(seconds * 1000)
}

const Working = ({ jobs, names, now }: { jobs: Job[]; names: Names; now: number }) => (
  <Table
    caption="Internalizations in work, oldest first"
    columns={[
      'Internalization',
      'Template',
      'State',
      'Arm and stage',
      'Progress',
      ...numbers('Stage ends in'),
      'Since (UTC)',
    ]}
    rows={jobs.map((job) => [
      <InternalizationLink id={job.row.id} />,
      <TemplateLink version={job.row.templateVersion} names={names} />,
      <StateBadge state={job.row.state} />,
      stageCell(job.row),
      progressCell(job, now),
      etaCell(job),
      <Time at={job.row.updatedAt} />,
    ])}
    empty="Nothing is in training, and nothing waits for it."
  />
)

const taskText = ({ isForgotten, isScrubbed, templates, loras }: ForgetTask): string => {
  const parts = [
    ...(templates.length === 0 ? [] : [counted(templates.length, 'template')]),
    ...(loras.length === 0 ? [] : [counted(loras.length, 'small model')]),
  ]
  const what = parts.length === 0 ? 'of records' : `with ${parts.join(' and ')} to check`
  if (!isForgotten) return `A forget request ${what}: its records are being deleted.`
  return isScrubbed
    ? `A forget request ${what}: the engine must still delete copies.`
    : `A forget request ${what}: the database must still be cleaned.`
}

const Forgetting = ({ tasks }: { tasks: ForgetTask[] }) =>
  tasks.length === 0 ? null : (
    <>
      <h2>Forget requests</h2>
      <ul>
        {tasks.map((task) => (
          <li>{taskText(task)}</li>
        ))}
      </ul>
    </>
  )

const Ended = ({ rows, names }: { rows: Internalization[]; names: Names }) => (
  <Table
    caption="Internalizations that the worker finished, or that changed afterwards, in the last seven days, newest first"
    columns={['Internalization', 'Template', 'State', ...numbers('Training'), 'Time (UTC)']}
    rows={rows.map((row) => [
      <InternalizationLink id={row.id} />,
      <TemplateLink version={row.templateVersion} names={names} />,
      <ExplainedState state={row.state} />,
      row.plan === null ? '' : duration(trainedSeconds(row) * 1000),
      <Time at={row.updatedAt} />,
    ])}
    empty="None in the last seven days."
  />
)

const ProcessNotice = ({ engine, engineReachable, worker }: ProcessStatus) => {
  if (worker === 'restarting')
    return (
      <Notice tone="bad">
        The worker is restarting: nothing is trained or judged until it runs again.
      </Notice>
    )
  if (engine === 'none')
    return <Notice tone="plain">This server has no engine, so nothing is trained here.</Notice>
  return engineReachable ? null : (
    <Notice tone="bad">The engine does not answer: training and judging wait for it.</Notice>
  )
}

const Jobs = ({ jobs, status, now }: { jobs: LoadedJobs; status: ProcessStatus; now: number }) => (
  <Live id="jobs">
    <ProcessNotice {...status} />
    <h2>In work</h2>
    <Working jobs={jobs.working} names={jobs.names} now={now} />
    <Forgetting tasks={jobs.forgetting} />
    <h2>Ended</h2>
    <Ended rows={jobs.ended} names={jobs.names} />
  </Live>
)

export const addJobs: AddView = (app, { store, status, now }: AdminDeps) => {
  app.get('/jobs', async (context) => {
    const jobs = await loadJobs(store, now())
    const content = <Jobs jobs={jobs} status={status()} now={now()} />
    return show(context, { title: 'Jobs', section: '/jobs', content })
  })
}
