/**
 * A worker with a store and the fake engine in a folder of their own, on a clock that only the test
 * moves. Internalizing a log takes a second, so each state is reached once a file and then copied.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach } from 'vitest'
import { openEngineHost, type EngineHost } from '../../adapters/host/host.ts'
import { createFakeBackend, type FakeBackendOptions } from '../../adapters/fake/backend.ts'
import { economicsSettings } from '../../src/config/config-files.ts'
import { parseConfig } from '../../src/config/config.ts'
import { cacheRules } from '../../src/core/cache/finding.ts'
import { ARM_NAMES } from '../../src/core/learn/schedule.ts'
import type {
  Internalization,
  InternalizeOptions,
} from '../../src/core/internalization/internalization.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { createEngine } from '../../src/engine/client.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import { openEconomics } from '../../src/savings/economics.ts'
import { openLocalStore } from '../../src/store/sqlite/local.ts'
import type { OpenStore } from '../../src/store/store.ts'
import type { WorkerDeps, WorkerEvent } from '../../src/worker/deps.ts'
import { createWorker, type OpenWorkerDeps, type Worker } from '../../src/worker/worker.ts'
import { ORDERS } from '../kit/records/paint-orders.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { OWN_TERMS } from '../kit/upstream/own-terms.ts'
import { changedConstants } from '../kit/process/loop-settings.ts'

export const SECOND_MS = 1_000
export const HOUR_MS = 3_600_000
export const TOKEN = 'token'
const BEGINNING = 1_800_000_000_000

/** Rows of each kind; the gate needs 68. */
export const PLANNED_ROWS = 72
/** As many as are planned, and a few more. */
const LOGGED = ORDERS.slice(0, 2 * PLANNED_ROWS + 12)

const CONFIG = parseConfig({
  // all of them, also what is not trained by default
  ARMS: ARM_NAMES.join(),
  ...changedConstants({
    detectMinSessions: 40,
    trainRows: PLANNED_ROWS,
    holdoutRows: PLANNED_ROWS,
  }),
  // the traffic of a live route comes within seconds here
  BURST_MINUTES: '0',
  // most tests count jobs and loras
})

/** An engine behind the contract, at a URL that only `fetch` knows. */
export const engineAt = (fetch: typeof globalThis.fetch, baseUrl = 'http://engine/v1'): Engine =>
  createEngine({ name: 'default', baseUrl, token: TOKEN, fetch })

const openHost = async (
  folder: string,
  options: Partial<FakeBackendOptions>
): Promise<EngineHost> => {
  const dataDir = join(folder, 'engine')
  const backend = await createFakeBackend({ ...options, dataDir })
  return openEngineHost({ backend, dataDir, token: TOKEN, log: () => {} })
}

export class WorkerHarness {
  readonly engine: Engine
  readonly events: WorkerEvent[] = []
  now = BEGINNING
  private readonly workers: Worker[] = []

  private constructor(
    readonly folder: string,
    readonly store: OpenStore,
    readonly host: EngineHost
  ) {
    this.engine = engineAt(async (input, init) => host.app.fetch(new Request(input, init)))
  }

  static async open(folder: string, options: Partial<FakeBackendOptions>): Promise<WorkerHarness> {
    const store = await openLocalStore({ dataDir: folder })
    return new WorkerHarness(folder, store, await openHost(folder, options))
  }

  async close(): Promise<void> {
    for (const worker of this.workers) await worker.close()
    await this.host.close()
    await this.store.close()
  }

  /** Small data, nothing pruned, no upstream to ask again. */
  deps(
    { store, ...changes }: Partial<WorkerDeps> = {},
    config: Partial<InternalizeOptions> = {}
  ): OpenWorkerDeps {
    const now = changes.now ?? (() => this.now)
    return {
      store: this.store,
      workerId: 'worker',
      engine: this.engine,
      config: { ...CONFIG.internalize, ...config },
      rollout: AT_ONCE,
      retention: { bodiesMs: 1e15, recordsMs: 1e15 },
      economics: openEconomics(this.store, economicsSettings(CONFIG, []), now),
      terms: OWN_TERMS,
      replayUpstream: null,
      askUpstream: null,
      judge: null,
      checker: null,
      webhook: null,
      costUsd: () => null,
      cacheRules: cacheRules([]),
      priceOf: () => null,
      deprecatedOn: () => null,
      now,
      // the fake engine answers before any limit is reached
      sleep: () => new Promise(() => {}),
      log: (event) => void this.events.push(event),
      fault: () => {},
      ...changes,
      ...(store === undefined ? {} : { store: { ...this.store, ...store, under: () => store } }),
    }
  }

  /** Closed at the end of the test. */
  async worker(deps = this.deps()): Promise<Worker> {
    const worker = await createWorker(deps)
    this.workers.push(worker)
    return worker
  }

  log(records: ExchangeRecord[]): Promise<void> {
    return this.store.records.append(batchOf(records))
  }

  async newest(): Promise<Internalization> {
    return (await this.store.internalizations.list()).at(-1)!
  }

  async state(): Promise<string> {
    return (await this.newest())?.state.name ?? 'none'
  }

  /** Messages of the worker's log that hold the text. */
  said(text: string): string[] {
    return this.events.map(({ message }) => message).filter((message) => message.includes(text))
  }

  /** One round, `ms` later by the test's clock. What runs beside the worker gets `realMs`. */
  async round(worker: Worker, ms = SECOND_MS, realMs = 0): Promise<void> {
    this.now += ms
    await worker.step()
    await sleep(realMs)
  }

  /** @param ms between two rounds, by the test's clock */
  async runUntil(
    worker: Worker,
    isReached: () => boolean | Promise<boolean>,
    ms = SECOND_MS
  ): Promise<void> {
    for (let rounds = 0; rounds < 2_000; rounds++) {
      if (await isReached()) return
      await this.round(worker, ms, 5)
    }
    throw new Error(`stuck in ${await this.state()}: ${this.said('').slice(-5).join('; ')}`)
  }

  /** @returns the newest internalization, which has one of the states */
  async runTo(worker: Worker, ...wanted: string[]): Promise<Internalization> {
    await this.runUntil(worker, async () => wanted.includes(await this.state()))
    return this.newest()
  }

  async runFor(worker: Worker, ms: number, stepMs = 20 * SECOND_MS): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) await this.round(worker, stepMs)
  }

  async approve(): Promise<Internalization> {
    return goLive(this.store, await this.newest(), { by: 'admin', now: this.now, rollout: AT_ONCE })
  }
}

const STATES = ['logged', 'candidate', 'training', 'evaluating', 'approval'] as const

type State = (typeof STATES)[number]

/** Folders as a worker leaves them when it is killed on entering a state, in one of that name each. */
const prepare = async (root: string, records: ExchangeRecord[]): Promise<void> => {
  const folder = join(root, 'prepared')
  mkdirSync(folder)
  const harness = await WorkerHarness.open(folder, {})
  await harness.log(records)
  const worker = await harness.worker()
  for (const state of STATES) {
    if (state !== 'logged') await harness.runTo(worker, state)
    cpSync(folder, join(root, state), { recursive: true })
  }
  await harness.close()
}

/** The fake engine, whose encoder has no field head, as one that has it. */
export const withFieldHeads = (engine: Engine): Engine => ({
  ...engine,
  models: async () =>
    (await engine.models()).map((model) =>
      model.id === 'fake-encoder'
        ? { ...model, training_methods: [...(model.training_methods ?? []), 'field-head'] }
        : model
    ),
})

export interface HarnessOptions {
  /** how far the worker has come with the records; null for an empty log */
  from?: State | null
  engine?: Partial<FakeBackendOptions>
}

/** For a test file: opens harnesses, and closes each at the end of its test. */
export const useWorkerHarness = (
  records = LOGGED
): ((options?: HarnessOptions) => Promise<WorkerHarness>) => {
  const root = mkdtempSync(join(tmpdir(), 'promptintern-worker-'))
  const opened: WorkerHarness[] = []
  let prepared: Promise<void> | null = null
  afterEach(async () => {
    for (const harness of opened.splice(0)) await harness.close()
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  return async ({ from = 'logged', engine = {} } = {}) => {
    const folder = mkdtempSync(join(root, 'test-'))
    if (from !== null) {
      await (prepared ??= prepare(root, records))
      cpSync(join(root, from), folder, { recursive: true })
    }
    const harness = await WorkerHarness.open(folder, engine)
    // after everything that was prepared
    harness.now += HOUR_MS
    opened.push(harness)
    return harness
  }
}
