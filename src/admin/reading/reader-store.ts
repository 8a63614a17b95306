/**
 * The store as the holder of `ADMIN_READ_TOKEN` sees it: figures, states, ids, and the constant text of templates,
 * which the operator wrote, as the rules for fields. Text of the traffic is taken out: requests, answers, values of slots, labels, comments.
 * This is the one place with that rule; the API and the page read nothing past it. Each method of the store is
 * named here, so a new one has to be decided about before it compiles.
 */
import type { DecisionFacts } from '../../core/proof/decision-facts.ts'
import { hideValues, type HiddenValues } from '../../core/proof/hide-values.ts'
import {
  progressSnapshot,
  type HistoryEntry,
  type Internalization,
  type InternalizationPlan,
  type InternalizationState,
  type ProvenVerdict,
} from '../../core/internalization/internalization.ts'
import type { StoredRecord } from '../../core/log/record.ts'
import type { StoredPair } from '../../core/rollout/pair.ts'
import type { Route } from '../../core/route/route.ts'
import type { Examples, Segment, Slot, Template } from '../../core/template/template.ts'
import { AppError } from '../../errors.ts'
import type {
  FeedbackStore,
  InternalizationStore,
  KeyStore,
  PairStore,
  RecordQuery,
  RecordStore,
  RouteStore,
  SnapshotStore,
  Store,
  TemplateStore,
} from '../../store/store.ts'
import { RETIREMENTS } from '../../savings/announced-retirements.ts'
import { AUDIT_WAIT } from '../../lifecycle/rollout-report.ts'
import { JUDGE_PROOF, MODEL_PROOF } from '../../savings/model-proof.ts'
import { itemAt } from '../../core/lists.ts'

export const NO_RIGHT =
  'ADMIN_READ_TOKEN may not read request texts or make decisions: use ADMIN_TOKEN'

const refused = (): Promise<never> => Promise.reject(new AppError('forbidden', NO_RIGHT))

/** Snapshots of figures; others have samples of texts. */
const FIGURES = [
  progressSnapshot(''),
  'rollout:',
  'forget:',
  MODEL_PROOF,
  JUDGE_PROOF,
  RETIREMENTS,
  AUDIT_WAIT,
]

const DECISION = 'decision:'

const isFigures = (name: string): boolean => FIGURES.some((prefix) => name.startsWith(prefix))

/** `#1`, `#2`, …: how many there are, and not which. */
const numbered = (list: readonly string[]): string[] => list.map((_text, at) => `#${at + 1}`)

const withoutBodies = (record: StoredRecord): StoredRecord => ({
  ...record,
  // a query may name a person
  path: record.path.replace(/\?.*/s, ''),
  request: '',
  response: null,
})

const shownSlot = (slot: Slot): Slot => {
  const { kind, name, type, values, maxChars, multiline, kept, shapes, test } = slot
  return {
    kind,
    name,
    type,
    maxChars,
    multiline,
    kept,
    ...(values === undefined ? {} : { values: numbered(values) }),
    ...(shapes === undefined ? {} : { shapes: numbered(shapes) }),
    ...(test === undefined ? {} : { test: { ...test, seen: [] } }),
  }
}

const shownExamples = ({ kind, name, pool }: Examples): Examples => ({
  kind,
  name,
  ...(pool === undefined
    ? {}
    : {
        pool: {
          division: pool.division,
          known: numbered(pool.known),
          seen: [],
          maxChars: pool.maxChars,
        },
      }),
})

/** Member by member: what is added to a segment is not shown before it is named here. */
const shownSegment = (segment: Segment): Segment => {
  if (segment.kind === 'slot') return shownSlot(segment)
  return segment.kind === 'examples' ? shownExamples(segment) : segment
}

/** Without digests of examples, too: of short texts they can be guessed. */
const shownTemplate = (template: Template): Template => {
  const { version, tenant, model, tools, responseFormat, maxTurnsAfter, messages } = template
  const { knownPairs, caller, movedFrom, movedBefore } = template
  return {
    version,
    tenant,
    model,
    tools,
    responseFormat,
    maxTurnsAfter,
    messages: messages.map(({ role, segments }) => ({
      role,
      segments: segments.map(shownSegment),
    })),
    ...(knownPairs === undefined ? {} : { knownPairs: numbered(knownPairs) }),
    ...(caller === undefined ? {} : { caller }),
    ...(movedFrom === undefined ? {} : { movedFrom }),
    ...(movedBefore === undefined ? {} : { movedBefore }),
  }
}

type RouteRules = Pick<Route, 'answers' | 'kinds'>

/** Labels, forms and known facts are of answers, and values of kinds are words of requests. */
const shownRules = <Rules extends RouteRules>(rules: Rules, hidden: HiddenValues): Rules => {
  const { form: _form, facts: _facts, ...answers } = rules.answers
  return {
    ...rules,
    answers: {
      ...answers,
      labels: answers.labels && numbered(answers.labels),
      ...(answers.withheld && { withheld: numbered([...answers.withheld]) }),
    },
    kinds: {
      ...rules.kinds,
      traits: hidden.slices(rules.kinds.traits),
      values: hidden.slices(rules.kinds.values),
    },
  }
}

/** Names and examples of fields are text of answers. */
const shownPlan = (
  { form: _form, ...plan }: InternalizationPlan,
  hidden: HiddenValues
): InternalizationPlan => ({ ...shownRules(plan, hidden), parts: [] })

const hiddenIn = ({ plan, verdict }: Internalization): HiddenValues => {
  const slices = verdict?.arms.flatMap((arm) => arm.slices.map(({ slice }) => slice)) ?? []
  const { traits = [], values = [] } = plan?.kinds ?? {}
  return hideValues([{ slices: [...slices, ...values, ...traits] }])
}

/** A reason may name slices, and answers are text. */
const shownState = (state: InternalizationState, hidden: HiddenValues): InternalizationState => {
  if (state.name === 'rejected' || state.name === 'retired')
    return { ...state, reason: hidden.reason(state.reason) }
  if (state.name !== 'live' || state.withheld === undefined) return state
  const withheld = state.withheld.map((part, i) => ({
    ...part,
    name: part.kind === 'answer' ? `#${i + 1}` : itemAt(hidden.slices([part.name]), 0),
  }))
  return { ...state, withheld }
}

/** Names of fields are text of answers. */
const shownVerdict = (
  { fields: _fields, ...verdict }: ProvenVerdict,
  hidden: HiddenValues
): ProvenVerdict => hidden.verdict(verdict)

const shownInternalization = (row: Internalization): Internalization => {
  const hidden = hiddenIn(row)
  return {
    ...row,
    state: shownState(row.state, hidden),
    plan: row.plan && shownPlan(row.plan, hidden),
    verdict: row.verdict && shownVerdict(row.verdict, hidden),
  }
}

const shownEntry = (entry: HistoryEntry, hidden: HiddenValues): HistoryEntry => ({
  ...entry,
  from: entry.from && shownState(entry.from, hidden),
  to: shownState(entry.to, hidden),
})

const withoutAnswers = <P extends StoredPair>(pair: P): P => ({
  ...pair,
  answer: '',
  parts: [],
  upstreamAnswer: null,
})

const readerRecords = (records: RecordStore): RecordStore => ({
  append: refused,
  usageTotals: records.usageTotals,
  list: async (query) =>
    (await records.list({ ...query, bodies: false } satisfies RecordQuery)).map(withoutBodies),
  async search(query) {
    // what fits a text tells the text
    if (query.text !== undefined) return refused()
    const found = await records.search({ ...query, bodies: false })
    return { ...found, data: found.data.map(withoutBodies) }
  },
  traffic: records.traffic,
  earlyAnswers: records.earlyAnswers,
  spread: records.spread,
  byIds: async (ids) => (await records.byIds(ids)).map(withoutBodies),
  knownIds: records.knownIds,
  tagTemplate: refused,
  prune: refused,
  select: refused,
  forget: refused,
  scrub: refused,
})

const readerTemplates = (templates: TemplateStore): TemplateStore => ({
  upsert: refused,
  async get(version) {
    const template = await templates.get(version)
    return template && shownTemplate(template)
  },
  list: async () => (await templates.list()).map(shownTemplate),
  stats: templates.stats,
  totals: templates.totals,
  label: refused,
  labels: templates.labels,
  fields: templates.fields,
  setField: refused,
  removeField: refused,
  remove: refused,
})

const readerInternalizations = (rows: InternalizationStore): InternalizationStore => ({
  create: refused,
  async get(id) {
    const row = await rows.get(id)
    return row && shownInternalization(row)
  },
  list: async (options) => (await rows.list(options)).map(shownInternalization),
  save: refused,
  async history(id) {
    const row = await rows.get(id)
    const hidden = row === null ? hideValues([]) : hiddenIn(row)
    return (await rows.history(id)).map((entry) => shownEntry(entry, hidden))
  },
  historySince: refused,
  historyEnd: rows.historyEnd,
  revision: rows.revision,
  addEvaluations: refused,
  evaluations: async (id, arm) =>
    (await rows.evaluations(id, arm)).map((row) => ({
      ...row,
      answer: '',
      upstreamAnswer: null,
      secondAnswer: null,
    })),
  evaluationCounts: rows.evaluationCounts,
})

const readerPairs = (pairs: PairStore): PairStore => ({
  waiting: pairs.waiting,
  backlog: pairs.backlog,
  judge: refused,
  since: async (lora, after, limit) =>
    (await pairs.since(lora, after, limit)).map((pair) => ({ ...pair, parts: [] })),
  list: async (query) => (await pairs.list(query)).map(withoutAnswers),
  async ofRecord(recordId) {
    const pair = await pairs.ofRecord(recordId)
    return pair && withoutAnswers(pair)
  },
  rate: refused,
  rated: async (place, limit) => (await pairs.rated(place, limit)).map(withoutAnswers),
  revision: pairs.revision,
  spent: pairs.spent,
})

const readerFeedback = (feedback: FeedbackStore): FeedbackStore => ({
  put: refused,
  remove: refused,
  list: async (place, limit) =>
    (await feedback.list(place, limit)).map((given) => ({ ...given, comment: null })),
  ofRecord: async (recordId) =>
    (await feedback.ofRecord(recordId)).map((given) => ({ ...given, comment: null })),
  counts: feedback.counts,
  drawn: refused,
  revision: feedback.revision,
})

const readerRoutes = (routes: RouteStore): RouteStore => ({
  list: async () =>
    (await routes.list()).map((route) => ({
      ...shownRules(
        route,
        hideValues([{ slices: [...route.kinds.values, ...route.kinds.traits] }])
      ),
      template: shownTemplate(route.template),
    })),
  put: refused,
  remove: refused,
  revision: routes.revision,
})

const readerKeys = (keys: KeyStore): KeyStore => ({
  create: refused,
  list: keys.list,
  revoke: refused,
  revision: keys.revision,
  renew: refused,
  spend: keys.spend,
})

/** Figures of held-out rows, without values in the names of their slices. */
const shownDecision = (bytes: Uint8Array): Uint8Array => {
  const kept = JSON.parse(new TextDecoder().decode(bytes)) as { facts: DecisionFacts }
  const { records } = kept.facts
  const facts = { ...kept.facts, records: hideValues(records).records(records) }
  return new TextEncoder().encode(JSON.stringify({ ...kept, facts }))
}

const readerSnapshots = (snapshots: SnapshotStore): SnapshotStore => ({
  async get(name) {
    if (!name.startsWith(DECISION)) return isFigures(name) ? snapshots.get(name) : refused()
    const bytes = await snapshots.get(name)
    return bytes && shownDecision(bytes)
  },
  put: refused,
  remove: refused,
  names: (prefix) => (isFigures(prefix) ? snapshots.names(prefix) : refused()),
  all: (prefix) => (isFigures(prefix) ? snapshots.all(prefix) : refused()),
})

/** @returns a store whose writes reject with `forbidden`, and whose reads have no text of the traffic */
export const readerStore = (store: Store): Store => ({
  records: readerRecords(store.records),
  templates: readerTemplates(store.templates),
  internalizations: readerInternalizations(store.internalizations),
  pairs: readerPairs(store.pairs),
  feedback: readerFeedback(store.feedback),
  keptResponses: { put: refused, get: refused, remove: refused },
  routes: readerRoutes(store.routes),
  keys: readerKeys(store.keys),
  snapshots: readerSnapshots(store.snapshots),
})
