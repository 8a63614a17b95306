/** Makes the worker's dependencies from the configuration, the store and the engine. */
import { setTimeout as delay } from 'node:timers/promises'
import { openChecker } from '../check/checker.ts'
import type { Config } from '../config/config.ts'
import { economicsSettings, trainingTerms } from '../config/config-files.ts'
import { cacheRules } from '../core/cache/finding.ts'
import { costUsd, findPrice, type Price } from '../core/cost/prices.ts'
import { retiresByPrice } from '../core/cost/retirements.ts'
import type { Rubric } from '../core/judge/judge-prompt.ts'
import type { NamedUpstream } from '../core/upstream-choice.ts'
import type { Engine } from '../engine/engine.ts'
import type { ReportFault, WorkerFault } from '../fault-log.ts'
import type { Logger } from '../process/logger.ts'
import { openEconomics } from '../savings/economics.ts'
import type { Store } from '../store/store.ts'
import type { WorkerDeps } from '../worker/deps.ts'
import { createAsk, createReplay } from '../worker/replay.ts'

export interface WorkerParts {
  engine: Engine | null
  logger: Logger
  fault: ReportFault<WorkerFault>
  upstreams: readonly NamedUpstream[]
  prices: Price[]
  /** by which a judge compares */
  rubric: Rubric
}

/** An aborted sleep resolves: the signal is there to end the pause. */
export const sleep: WorkerDeps['sleep'] = (ms, signal) =>
  delay(ms, undefined, { signal }).catch(() => {})

export const workerDeps = (
  config: Config,
  store: Store,
  { engine, logger, fault, upstreams, prices, rubric }: WorkerParts
): WorkerDeps => ({
  store,
  engine,
  config: config.internalize,
  rollout: config.rollout,
  retention: config.retention,
  economics: openEconomics(store, economicsSettings(config, prices), Date.now),
  webhook: config.webhook && { ...config.webhook, fetch },
  terms: trainingTerms(config, upstreams),
  replayUpstream: createReplay({ standard: config.upstream, upstreams, fetch, fault }),
  askUpstream: createAsk({ standard: config.upstream, upstreams, fetch }),
  judge: config.judge && { ...config.judge, rubric },
  checker: config.checker && openChecker(config.checker, { env: process.env, fetch }),
  costUsd: (model, usage) => costUsd(prices, model, usage),
  cacheRules: cacheRules(prices),
  priceOf: (model) => findPrice(prices, model),
  deprecatedOn: retiresByPrice(prices),
  now: Date.now,
  sleep,
  fault,
  log: ({ level, message, data }) => logger[level]({ part: 'worker', ...data }, message),
})
