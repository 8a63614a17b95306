/**
 * Metrics of live routes, from the worker's reports in the store. They are read together when they are
 * scraped; where the store fails the last values stay.
 */
import type { Registry } from 'prom-client'
import { DRAWN_SIDES } from '../core/log/feedback.ts'
import type { Route } from '../core/route/route.ts'
import { meanLoss } from '../core/rollout/evidence.ts'
import { PAIR_OUTCOMES } from '../core/rollout/pair.ts'
import type { ReportFault, ServerFault } from '../fault-log.ts'
import { readRolloutReport, spentToday, type RolloutReport } from '../lifecycle/rollout-report.ts'
import { registerReading, type ReadMetric, type Reading } from '../proxy/metrics/tally.ts'
import { inTime, type SetTimer } from '../timers.ts'
import type { Store } from '../store/store.ts'

/** Bounds the label `template` and the work of a scrape. */
const MAX_TEMPLATES = 100
/** of a scrape; Prometheus gives up after ten seconds */
const LIMIT_MS = 2_000

export interface RolloutMetricsDeps {
  /** the routes in force */
  routes: () => Iterable<Route>
  store: Pick<Store, 'snapshots' | 'pairs'>
  fault: ReportFault<ServerFault>
  /** milliseconds since the epoch */
  now: () => number
  setTimer: SetTimer
}

interface LiveRoute {
  route: Route
  /** null before the worker has made one */
  report: RolloutReport | null
}

interface Scrape {
  live: LiveRoute[]
  spentUsdToday: number
}

const read = async ({ routes, store, now }: RolloutMetricsDeps): Promise<Scrape> => {
  const chosen = [...routes()]
    .sort((a, b) => (a.template.version < b.template.version ? -1 : 1))
    .slice(0, MAX_TEMPLATES)
  const live = await Promise.all(
    chosen.map(async (route) => ({
      route,
      report: await readRolloutReport(store, route.internalizationId),
    }))
  )
  return { live, spentUsdToday: await spentToday(store, now()) }
}

/**
 * One reading of the store for all metrics of a scrape; a reading that goes on is joined, so that scrapes
 * of a slow store do not pile up. @returns null when the store could not be read
 */
const createReader = (deps: RolloutMetricsDeps): (() => Promise<Scrape | null>) => {
  let reading: Promise<Scrape> | null = null
  let scrape: Promise<Scrape | null> | null = null
  const begin = async (): Promise<Scrape> => {
    try {
      return await read(deps)
    } finally {
      reading = null
    }
  }
  const once = async (): Promise<Scrape | null> => {
    try {
      return await inTime((reading ??= begin()), { limitMs: LIMIT_MS, setTimer: deps.setTimer })
    } catch (error) {
      deps.fault('rollout-reports', error)
      return null
    } finally {
      scrape = null
    }
  }
  return () => (scrape ??= once())
}

const ofReports =
  (figures: (report: RolloutReport) => Reading[]) =>
  ({ live }: Scrape): Reading[] =>
    live.flatMap(({ route, report }) =>
      report === null
        ? []
        : figures(report).map(([labels, value]): Reading => [
            { template: route.template.version, ...labels },
            value,
          ])
    )

/** @param mean null: not known yet */
const edges = ([lower, upper]: readonly [number, number], mean: number | null): Reading[] => [
  [{ edge: 'lower' }, lower],
  ...(mean === null ? [] : [[{ edge: 'mean' }, mean] as Reading]),
  [{ edge: 'upper' }, upper],
]

interface RolloutMetric extends ReadMetric {
  readings: (scrape: Scrape) => Reading[]
}

const METRICS: RolloutMetric[] = [
  {
    type: 'gauge',
    name: 'promptintern_rollout_share',
    help: 'Share of the matching traffic that the lora may answer',
    labels: ['template'],
    readings: ({ live }) =>
      live.map(({ route }) => [{ template: route.template.version }, route.trafficShare]),
  },
  {
    type: 'gauge',
    name: 'promptintern_rollout_pairs',
    help: 'Audited requests of the live lora by outcome',
    labels: ['template', 'outcome'],
    readings: ofReports(({ outcomes }) =>
      PAIR_OUTCOMES.map((outcome) => [{ outcome }, outcomes[outcome]])
    ),
  },
  {
    type: 'gauge',
    name: 'promptintern_rollout_evidence',
    help: 'Natural logarithm of the capital of the evidence',
    labels: ['template', 'against'],
    readings: ofReports(({ evidence: { rollback, step, drift }, feedback }) => [
      [{ against: 'rollback' }, rollback],
      [{ against: 'feedback' }, feedback.rollback],
      [{ against: 'step' }, step],
      [{ against: 'drift' }, drift],
    ]),
  },
  {
    type: 'gauge',
    name: 'promptintern_rollout_loss',
    help: 'Loss of the live lora, with its 95 % confidence sequence',
    labels: ['template', 'edge'],
    readings: ofReports(({ evidence: { interval, ...evidence } }) =>
      edges(interval, evidence.pairs === 0 ? null : meanLoss(evidence))
    ),
  },
  {
    type: 'gauge',
    name: 'promptintern_audit_share',
    help: 'Share of the matching traffic that is audited',
    labels: ['template'],
    readings: ({ live }) =>
      live.map(({ route }) => [{ template: route.template.version }, route.auditShare]),
  },
  {
    type: 'gauge',
    name: 'promptintern_rollout_feedback_difference',
    help: 'Share of bad ratings on the side of the lora minus that of the audited side, with its 95 % confidence sequence',
    labels: ['template', 'edge'],
    readings: ofReports(({ feedback: { bad, interval } }) =>
      edges(interval, bad && bad.lora - bad.audit)
    ),
  },
  {
    type: 'gauge',
    name: 'promptintern_rollout_feedback_conversations',
    help: 'Rated conversations of the live route by side',
    labels: ['template', 'side'],
    readings: ofReports(({ feedback: { conversations } }) =>
      DRAWN_SIDES.map((side) => [{ side }, conversations[side]])
    ),
  },
  {
    type: 'gauge',
    name: 'promptintern_audits_waiting',
    help: 'Audited requests that wait for the answer of the lora',
    labels: ['template'],
    readings: ofReports(({ waiting }) => [[{}, waiting]]),
  },
  {
    type: 'counter',
    name: 'promptintern_audits_dropped_total',
    help: 'Audited requests that were dropped because too many waited',
    labels: ['template'],
    readings: ofReports(({ dropped }) => [[{}, dropped]]),
  },
  {
    type: 'gauge',
    name: 'promptintern_audit_usd_today',
    help: 'US dollars that the audits of all templates have cost since midnight UTC',
    readings: ({ spentUsdToday }) => [[{}, spentUsdToday]],
  },
]

export const registerRolloutMetrics = (registry: Registry, deps: RolloutMetricsDeps): void => {
  const scrape = createReader(deps)
  for (const { readings, ...metric } of METRICS)
    registerReading(registry, metric, async () => {
      const scraped = await scrape()
      return scraped && readings(scraped)
    })
}
