import { holdoutText } from '../../../core/internalization/holdout-time.ts'
import { followersOf, type Follower } from '../../../core/internalization/followers.ts'
import { growthText, tryOf } from '../../../core/internalization/growth.ts'
import {
  type Internalization,
  rolloutStageOf,
  type HistoryEntry,
} from '../../../core/internalization/internalization.ts'
import { stageName, type RolloutSettings } from '../../../core/rollout/stages.ts'
import { termsOfTemplate } from '../../../core/internalization/answer-type.ts'
import { termsText, type TrainingTerms } from '../../../core/terms/terms.ts'
import { loadUpstreams, trainingTerms } from '../../../config/config-files.ts'
import { shortId } from '../../../core/template/name.ts'
import { slotsOf, type Segment, type Slot, type Template } from '../../../core/template/template.ts'
import { minuteText } from '../../../core/days.ts'
import type { Store } from '../../../store/store.ts'
import {
  changeText,
  rolloutProgress,
  rolloutReports,
  type RolloutReport,
} from '../../../lifecycle/rollout-report.ts'
import { unexplainedAnswers } from '../../../lifecycle/logged-texts.ts'
import { openStoreEconomics, templateOf, withStore } from '../../context.ts'
import { cacheText } from '../../scan/words.ts'
import { formText, type ShownForm } from '../../form-text.ts'
import { percent } from '../../../core/figure-text.ts'
import { print, table, type OutputOptions } from '../../output.ts'
import { stepTexts } from '../../rollout/rollout-text.ts'
import { followersText, readTitles, type Titles } from '../../titles.ts'
import { internalizationView } from '../../../views/internalization.ts'
import {
  removedTable,
  templateView,
  type TemplateView,
  type ViewDeps,
} from '../../../views/template.ts'
import { visibleName } from '../../../visible-text.ts'
import { factsText, judgedText, planRulesText } from '../../verdict-text.ts'
import { fieldRulesText } from './fields.ts'
import { agreementText, paysText, stateText } from '../../state-text.ts'
import { compact } from '../../../core/lists.ts'

interface Rollouts {
  /** by internalization */
  reports: ReadonlyMap<string, RolloutReport>
  settings: RolloutSettings
}

interface RolloutHistory {
  id: string
  history: HistoryEntry[]
}

/** The rollouts of all that went live, and whatever a person decided with a note. */
const historiesOf = async (
  { internalizations }: Store,
  rows: readonly Internalization[]
): Promise<RolloutHistory[]> => {
  const histories: RolloutHistory[] = []
  for (const { id } of rows) {
    const history = (await internalizations.history(id)).filter(
      ({ from, to, note }) => to.name === 'live' || from?.name === 'live' || note !== null
    )
    if (history.length > 0) histories.push({ id, history })
  }
  return histories
}

const entryText = (entry: HistoryEntry): string => {
  const { at, by, to } = entry
  const stage = rolloutStageOf(to)
  const became = stage === null ? to.name : stageName(stage)
  const why = changeText(entry)
  return `  ${minuteText(at)} ${became}, by ${by}${why === '' ? '' : `: ${why}`}`
}

/** One line for each of the states. */
const historyText = ({ id, history }: RolloutHistory): string =>
  [`history of ${shortId(id)}`, ...history.map(entryText)].join('\n')

/** of an anchor, from its beginning and from its end */
const EDGE_CHARS = 160

const shortened = (text: string): string =>
  text.length <= 3 * EDGE_CHARS
    ? text
    : `${text.slice(0, EDGE_CHARS)} … (${text.length - 2 * EDGE_CHARS} characters) … ${text.slice(-EDGE_CHARS)}`

const segmentText = (segment: Segment): string => {
  switch (segment.kind) {
    case 'anchor':
      return shortened(segment.text)
    case 'slot':
      return `{slot ${segment.name}}`
    case 'examples':
      return `{examples ${segment.name}}`
    case 'query':
      return '{query}'
  }
}

const messagesText = ({ messages }: Template): string =>
  messages
    .map(({ role, segments }) => `${role}: ${segments.map(segmentText).join('')}`)
    .join('\n\n')

const slotValues = ({ type, values = [], maxChars, kept, shapes = [] }: Slot): string => {
  if (!kept) return `one of ${shapes.length} shapes`
  return type === 'enum' ? values.join(', ') : `text of at most ${maxChars} characters`
}

const slotsText = (template: Template): string => {
  const slots = slotsOf(template)
  if (slots.length === 0) return 'no slots'
  return table([
    ['slot', 'kept for the lora', 'values'],
    ...slots.map((slot) => [slot.name, slot.kept ? 'yes' : 'no', slotValues(slot)]),
  ])
}

/** Of the newest internalization with a verdict. */
const newestForm = async (store: Store, rows: Internalization[]): Promise<ShownForm | null> => {
  const newest = rows.findLast(({ verdict }) => verdict !== null)
  const form = newest?.plan?.form
  if (newest === undefined || form === undefined) return null
  return { ...form, unexplained: await unexplainedAnswers(store, newest) }
}

const internalizationsText = (
  rows: Internalization[],
  { reports, settings }: Rollouts,
  form: ShownForm | null
): string => {
  if (rows.length === 0) return 'no internalization'
  const newest = rows.findLast(({ verdict }) => verdict !== null)?.plan ?? null
  const figures = table([
    ['internalization', 'exchanges', 'state', 'coverage', 'agreement'],
    ...rows.map((row) => {
      const { id, state, verdict } = row
      const winner = verdict?.arms[verdict.arm]
      return [
        shortId(id),
        tryOf(row)?.exchanges ?? '',
        stateText(state, reports.get(id) ?? null, settings),
        winner === undefined ? '' : percent(winner.coverage),
        winner === undefined ? '' : agreementText(winner),
      ]
    }),
  ])
  if (newest === null) return figures
  return compact([
    figures,
    growthText(rows),
    holdoutText(newest),
    ...planRulesText(newest),
    form !== null && formText(form),
  ]).join('\n')
}

const nextStep = (
  template: string,
  rows: Internalization[],
  { reports, settings }: Rollouts
): string[] => {
  const newest = rows.at(-1)
  if (newest === undefined) return [`to train it now, run: promptintern internalize ${template}`]
  if (newest.state.name === 'approval')
    return [
      `to compare its answers, run: promptintern template ${template} --examples`,
      `to make it live, run: promptintern promote ${template}`,
    ]
  const live = rows.filter(({ state }) => state.name === 'live')
  return compact([
    live.length > 0 && `to watch its rollout, run: promptintern watch ${template}`,
    ...live.flatMap((row) =>
      stepTexts(template, rolloutProgress(row, reports.get(row.id) ?? null, settings))
    ),
  ])
}

/** Where it was moved from, and to. */
const followLines = (
  { model, movedFrom }: Template,
  followers: readonly Follower[],
  titles: Titles
): string[] =>
  compact([
    movedFrom !== undefined && `It follows ${titles.title(movedFrom)} to ${visibleName(model)}.`,
    followers.length > 0 && `It is followed by ${followersText(followers, titles)}.`,
  ])

const collect = async (
  deps: ViewDeps,
  { settings, terms }: { settings: RolloutSettings; terms: TrainingTerms },
  wanted: string
) => {
  const { store } = deps
  const template = await templateOf(store, wanted)
  const { version, model } = template
  const all = await store.internalizations.list()
  const internalizations = all.filter(({ templateVersion }) => templateVersion === version)
  const judged = internalizations.findLast(({ verdict }) => verdict !== null)
  return {
    template,
    view: await templateView(deps, template),
    titles: await readTitles(store),
    followers: followersOf(await store.templates.list(), all).get(version) ?? [],
    internalizations,
    terms: termsOfTemplate(terms, model, internalizations),
    rollouts: { reports: new Map(await rolloutReports(store)), settings },
    form: await newestForm(store, internalizations),
    newest: judged === undefined ? null : await internalizationView(store, judged),
    histories: await historiesOf(store, internalizations),
  }
}

/** With its date; nothing where nothing is to be mended. */
const cachePart = (cache: TemplateView['cache']): string[] => {
  if (cache === null) return []
  const text = cacheText(cache)
  return text === '' ? [] : [`${text}\n  read from the log at ${minuteText(cache.at)} UTC`]
}

type Collected = Awaited<ReturnType<typeof collect>>

const render = ({
  template,
  view,
  titles,
  internalizations,
  rollouts,
  ...known
}: Collected): string => {
  const { stats, economics, fields, liveInternalizationId } = view
  const { terms, followers, form, newest, histories } = known
  const judged = newest?.judge ?? null
  return compact([
    table([
      [
        'template',
        'name',
        'tenant',
        'model',
        'requests',
        'bought',
        'answered',
        'prompt tokens saved',
        'live',
        'pays',
      ],
      [
        titles.id(template.version),
        titles.name(template.version),
        template.tenant,
        template.model,
        stats.requests,
        stats.bought,
        stats.answered,
        stats.promptTokensSaved,
        liveInternalizationId === null ? 'no' : shortId(liveInternalizationId),
        paysText(economics),
      ],
    ]),
    [...new Set(terms.map(termsText))].join('\n'),
    ...followLines(template, followers, titles),
    ...cachePart(view.cache),
    messagesText(template),
    slotsText(template),
    factsText(removedTable(template)),
    fields.length > 0 && fieldRulesText(fields),
    internalizationsText(internalizations, rollouts, form),
    judged !== null && judgedText(judged, judged.spentUsd),
    ...histories.map(historyText),
    ...nextStep(titles.id(template.version), internalizations, rollouts),
  ]).join('\n\n')
}

/** As the admin API has it, with all internalizations. */
const jsonOf = async (store: Store, { view, followers, terms, internalizations }: Collected) => ({
  ...view,
  followers,
  terms,
  internalizations: await Promise.all(
    internalizations.map((row) => internalizationView(store, row))
  ),
})

export const showTemplate = (version: string, options: OutputOptions): Promise<void> =>
  withStore(async (store, config) => {
    const economics = await openStoreEconomics(store, config)
    const terms = trainingTerms(config, await loadUpstreams(config, process.env))
    const settings = config.rollout
    const collected = await collect({ store, economics }, { settings, terms }, version)
    print(options.json ? await jsonOf(store, collected) : render(collected))
  })
