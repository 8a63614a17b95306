/** Follows the proxy through its admin API and shows log, templates, training and verdicts. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ProxyProcess } from '../test/kit/process/proxy-process.ts'
import type { InternalizationView } from '../src/views/internalization.ts'
import type { TemplateView } from '../src/views/template.ts'
import { percent } from '../src/core/figure-text.ts'
import { evaluationRows, stageName, type Arm } from '../src/core/internalization/internalization.ts'
import type { Segment } from '../src/core/template/template.ts'
import type { StageProgress } from '../src/core/internalization/stage-progress.ts'
import { onOneLine, type Screen } from './screen.ts'

const POLL_MS = 400
/** A large model reads many prompts between two lines of progress. */
const STALL_MS = 15 * 60_000
const PREVIEW_CHARS = 60
/** States that the worker does not leave by itself; it promotes what waits for approval. */
const ENDS = new Set(['live', 'rejected', 'failed'])

const poll = async <T>(
  seconds: number,
  what: string,
  look: () => Promise<T | null>
): Promise<T> => {
  const deadline = Date.now() + seconds * 1000
  while (Date.now() < deadline) {
    const found = await look()
    if (found !== null) return found
    await delay(POLL_MS)
  }
  throw new Error(`${what} did not happen within ${seconds} s`)
}

const list = async <T>(proxy: ProxyProcess, path: string): Promise<T[]> => {
  if (proxy.exited()) throw new Error('the proxy ended by itself')
  return (await proxy.admin<{ data: T[] }>(path)).data
}

/** Resolves when the log's queue is written. @returns requests logged */
export const waitForLog = (proxy: ProxyProcess, requests: number): Promise<number> =>
  poll(30, 'logging', async () => {
    const { log } = await proxy.admin<{ log: { written: number } }>('/status')
    return log.written >= requests ? log.written : null
  })

/** Resolves when a template of each prompt is known. @returns them in the order of the prompts */
export const waitForTemplates = (proxy: ProxyProcess, prompts: string[]): Promise<TemplateView[]> =>
  poll(60, 'finding templates', async () => {
    const summaries = await list<TemplateView>(proxy, '/templates')
    const templates = await Promise.all(
      summaries.map(({ version }) => proxy.admin<TemplateView>(`/templates/${version}`))
    )
    const found = prompts.map((prompt) =>
      templates.find(({ anchors }) => prompt.includes(anchors.preview))
    )
    return found.every((template) => template !== undefined) ? found : null
  })

const shortened = (text: string): string => {
  const line = onOneLine(text)
  return line.length <= PREVIEW_CHARS ? line : `${line.slice(0, PREVIEW_CHARS)}…`
}

const describe = (segment: Segment): string => {
  switch (segment.kind) {
    case 'anchor':
      return `template  ${segment.text.length} characters: ${shortened(segment.text)}`
    case 'slot':
      return (
        `slot      ${segment.name}` +
        (segment.values === undefined ? '' : `, one of ${segment.values.join(', ')}`) +
        (segment.kept ? '; kept' : '; has no effect on answers, dropped')
      )
    case 'examples':
      return `examples  ${segment.name}`
    case 'query':
      return 'query     what the user wrote, kept to the letter'
  }
}

export const showTemplate = (screen: Screen, name: string, template: TemplateView): void => {
  screen.say(`${name}: found in ${template.stats.requests} requests`)
  for (const { role, segments } of template.messages)
    for (const segment of segments) screen.say(`  ${role.padEnd(6)} ${describe(segment)}`)
}

/** Fills the bars of an arm's first stages. */
const fill = (screen: Screen, name: string, arm: Arm, stages: number): void => {
  for (let stage = 0; stage < stages; stage++)
    screen.progress.update(`${name} ${stageName(arm, stage)}`, 1, 1)
}

const showProgress = (screen: Screen, name: string, row: InternalizationView): void => {
  const { state, plan } = row
  if (plan === null) return
  const live = row.progress as StageProgress | null
  if (state.name === 'training') {
    if (live === null) return
    const arm = plan.arms[live.arm]!
    fill(screen, name, arm, live.stage)
    const stage = `${name} ${stageName(arm, live.stage)}`
    if (live.metrics === null) return screen.progress.update(stage, 0, 1, live.message ?? '')
    const { step, total_steps: total, train_loss: loss } = live.metrics
    screen.progress.update(
      stage,
      Math.min(step ?? 0, total ?? 1),
      total ?? 1,
      `loss ${(loss ?? 0).toFixed(3)}, ${percent(arm.stages[live.stage]!.templateShare)} of prompt`
    )
    return
  }
  if (state.name === 'candidate') return
  for (const arm of plan.arms) fill(screen, name, arm, arm.results.length)
  screen.progress.update(`${name} held-out answers`, row.evaluatedRows, evaluationRows(plan))
}

/** The template's newest internalization, shown as far as it is; null before there is one. */
const look = async (
  { proxy, screen }: Watched,
  name: string,
  template: TemplateView
): Promise<InternalizationView | null> => {
  const rows = await list<InternalizationView>(proxy, '/internalizations')
  const row = rows.findLast(({ templateVersion }) => templateVersion === template.version)
  if (row === undefined) return null
  const view = await proxy.admin<InternalizationView>(`/internalizations/${row.id}`)
  showProgress(screen, name, view)
  return view
}

/** State that changes while work goes on; the time of the observation is left out. */
const movementOf = (view: InternalizationView | null): unknown => {
  const { message, metrics } = (view?.progress ?? {}) as Partial<StageProgress>
  return [view?.revision, view?.evaluatedRows, message, metrics]
}

export interface Watched {
  proxy: ProxyProcess
  screen: Screen
}

/**
 * Resolves when the internalization of every template is live, or ended otherwise. How long that
 * takes depends on model and machine: it goes on as long as anything moves.
 */
export const waitForVerdicts = async (
  watched: Watched,
  templates: { name: string; template: TemplateView }[]
): Promise<InternalizationView[]> => {
  let seen = ''
  let movedAt = Date.now()
  while (Date.now() - movedAt < STALL_MS) {
    const views = []
    for (const { name, template } of templates) views.push(await look(watched, name, template))
    const ended = views.filter((view) => view !== null && ENDS.has(view.state.name))
    if (ended.length === views.length) return ended as InternalizationView[]
    const movement = JSON.stringify(views.map(movementOf))
    if (movement !== seen) movedAt = Date.now()
    seen = movement
    await delay(POLL_MS)
  }
  throw new Error(`nothing moved for ${STALL_MS / 60_000} minutes: ${seen}`)
}

export const showStages = (screen: Screen, name: string, { plan }: InternalizationView): void => {
  const rows = (plan?.arms ?? []).flatMap((arm) =>
    arm.results.map(({ measuredRate, metrics }, stage) => [
      `${name} ${stageName(arm, stage)}`,
      percent(measuredRate),
      String(metrics.steps),
      metrics.train_loss.toFixed(3),
      metrics.valid_loss === null ? '–' : metrics.valid_loss.toFixed(3),
      `${metrics.seconds.toFixed(1)} s`,
    ])
  )
  screen.table([['stage', 'of the prompt', 'steps', 'loss', 'held-out loss', 'time'], ...rows])
}

export const showVerdict = (screen: Screen, name: string, row: InternalizationView): void => {
  const { verdict } = row
  if (verdict === null) {
    screen.say(`${name}: ${row.state.name} ${'cause' in row.state ? row.state.cause : ''}`)
    return
  }
  const winner = verdict.arms[verdict.arm]!
  const bound = percent(winner.agreementAnsweredBound)
  screen.say(
    `${name}: ${verdict.verdict}; ${verdict.reason} on ${winner.rows} held-out requests; ` +
      `with ${percent(1 - (verdict.alpha ?? 0.05))} confidence at least ${bound} of its answers agree`
  )
}
