/**
 * Two proxies and two workers on PostgreSQL with a standby, and a fault at a random moment in each round: killed
 * processes of every kind, a worker that sleeps, connections that stall or are cut, a full disk, a fail-over.
 * Two clocks are wrong by hours. Counts acknowledged records that are lost or stored twice, stages that were
 * trained twice, requests that failed although no proxy was killed, requests beyond the budget of the round, and
 * whether each loop ends live.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { seededRandom } from '../../src/random.ts'
import { WHY_NO_SERVER } from '../../test/kit/postgres/postgres-process.ts'
import { fleetEnvironment, PRICE, statusBecomes } from '../../test/kit/process/budget-fleet.ts'
import { build } from '../../test/kit/process/build.ts'
import { orderOf, shelfOf } from '../../test/kit/traffic/shelf-orders.ts'
import type { ProxyProcess } from '../../test/kit/process/proxy-process.ts'
import {
  startReplayUpstream,
  type ReplayUpstream,
} from '../../test/kit/upstream/replay-upstream.ts'
import { sendAll } from '../../test/kit/traffic/send-all.ts'
import { zero, spread, withBar, type Figures } from '../../test/kit/report.ts'
import { allRecords } from './checks.ts'
import {
  endOf,
  jobsOf,
  stagesTrainedTwice,
  waitForEnd,
} from '../../test/kit/process/internalizations.ts'
import { LOOP_REQUESTS, loopSettings } from '../../test/kit/process/loop-settings.ts'
import { createKey, openBudget } from './postgres/budget.ts'
import { Cluster, patiently } from './postgres/cluster.ts'
import { Fleet } from './postgres/fleet.ts'
import type { CrashOptions } from './server.ts'
import { counted } from './tally.ts'

/** of each proxy in a round */
const REQUESTS_A_ROUND = 20
const MAX_WAIT_MS = 1_500
const DOWN_MS = 2_000
/** longer than a lease */
const SLEEP_MS = 18_000
const STALL_MS = 6_000
const FULL_MS = 3_000
const FINISH_MS = 300_000

interface Scene {
  cluster: Cluster
  fleet: Fleet
  database: string
  /** 0 or 1 */
  place: number
}

type Fault = (scene: Scene) => Promise<unknown>

const FAULTS: Record<string, Fault> = {
  backend: ({ cluster, database }) => cluster.killBackend(database),
  postmaster: ({ cluster }) => cluster.killPrimary(DOWN_MS),
  proxy: ({ fleet, place }) => fleet.restartProxy(place),
  worker: ({ fleet, place }) => fleet.restartWorker(place),
  'sleeping worker': async ({ fleet, place }) => {
    fleet.stopWorker(place)
    await delay(SLEEP_MS)
    fleet.wakeWorker(place)
  },
  'stalled connections': ({ cluster }) => cluster.stall(STALL_MS),
  'cut connections': async ({ cluster }) => cluster.cut(),
  'fail-over': ({ cluster }) => cluster.failOver(DOWN_MS),
}

const FULL_DISK = 'full disk'

/** One database, from empty to live. */
interface Loop {
  database: string
  env: Record<string, string>
  fleet: Fleet
  /** of a key without limits */
  apiKey: string
  /** ids of the records that the store has shown: those are acknowledged */
  seen: Set<string>
}

const sums = {
  acknowledged: 0,
  lost: 0,
  twice: 0,
  trainedTwice: 0,
  failedRequests: 0,
  requests: 0,
  unexpected: 0,
}

class Run {
  /** for the price file */
  private readonly folder = mkdtempSync(join(tmpdir(), 'promptintern-crash-'))
  readonly ends: string[] = []
  /** requests of each budget that the upstream received, and those beyond it */
  readonly used: number[] = []
  readonly over: number[] = []
  private next = 0

  constructor(
    private readonly cluster: Cluster,
    private readonly upstream: ReplayUpstream,
    private readonly cli: string
  ) {}

  async begin(): Promise<Loop> {
    const database = `loop_${this.ends.length}`
    await this.cluster.query('postgres', `create database ${database}`)
    const env = {
      ...loopSettings({ promotes: true, minSessions: 60 }),
      LOG_LEVEL: 'error',
      ...fleetEnvironment(this.folder, this.upstream),
      DATABASE_URL: this.cluster.url(database),
    }
    const fleet = await Fleet.start({ cli: this.cli, env })
    const apiKey = await createKey(this.cli, env)
    for (const proxy of fleet.proxies) await statusBecomes(proxy, apiKey, 200)
    return { database, env, fleet, apiKey, seen: new Set() }
  }

  /** @returns whether all were answered */
  async traffic(loop: Loop, place: number, count: number): Promise<boolean> {
    const numbers = Array.from({ length: count }, () => this.next++)
    for (const number of numbers) this.upstream.add(orderOf(number).messages, shelfOf(number), 120)
    sums.requests += count
    return sendAll(loop.fleet.proxies[place]!.baseUrl, numbers.map(orderOf), {
      concurrency: 2,
      apiKey: loop.apiKey,
    }).then(
      () => true,
      () => false
    )
  }

  /** Reads the log through a proxy, and compares it with the records acknowledged before. */
  async check({ fleet, seen }: Loop): Promise<void> {
    const records = await patiently(() => allRecords(fleet.proxies[0]!))
    const stored = new Set(records.map(({ id }) => id))
    sums.twice += records.length - stored.size
    for (const id of seen) if (!stored.has(id)) sums.lost++
    for (const id of seen) if (!stored.has(id)) seen.delete(id)
    for (const id of stored) seen.add(id)
  }

  async round(loop: Loop, name: string, place: number, waitMs: number): Promise<void> {
    const { fleet, database, env } = loop
    const { cli, upstream } = this
    const askDuring = await openBudget({ cli, env, upstream, proxies: fleet.proxies })
    const fault = FAULTS[name] ?? (({ cluster }: Scene) => cluster.fillDisk(FULL_MS))
    const isOfProxy = name === 'proxy'
    const strike = async (): Promise<void> => {
      await delay(waitMs)
      await fault({ cluster: this.cluster, fleet, database, place })
    }
    const struck = strike()
    const [{ used, over, unexpected }, ...answered] = await Promise.all([
      askDuring(struck),
      ...[0, 1].map((to) => this.traffic(loop, to, REQUESTS_A_ROUND)),
    ])
    await struck
    this.used.push(used)
    this.over.push(over)
    sums.unexpected += unexpected
    for (const [to, isAnswered] of answered.entries())
      if (!isAnswered && !(isOfProxy && to === place)) sums.failedRequests++
    fleet.reviveWorkers()
    await this.check(loop)
  }

  async end(loop: Loop): Promise<void> {
    const { fleet, seen } = loop
    const orders = (await allRecords(fleet.proxies[0]!)).filter(
      ({ model }) => model !== PRICE.model
    )
    const more = Math.max(0, LOOP_REQUESTS - orders.length)
    await this.traffic(loop, 0, more)
    this.ends.push(await waitForEnd(fleet.proxies[0]!, FINISH_MS))
    await this.check(loop)
    sums.acknowledged += seen.size
    sums.trainedTwice += stagesTrainedTwice(jobsOf(fleet.engineDir))
    await fleet.stop()
    fleet.remove()
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const isOver = async (proxy: ProxyProcess): Promise<boolean> =>
  (await patiently(() => endOf(proxy))) !== null

export const crashPostgres = async ({
  rounds,
  seed,
  progress,
}: Pick<CrashOptions, 'rounds' | 'seed' | 'progress'>): Promise<Figures> => {
  if (WHY_NO_SERVER !== null) throw new Error(WHY_NO_SERVER)
  const random = seededRandom(seed)
  const built = build('bench-crash-postgres', [
    'src/cli.ts',
    'src/store/thread/thread.ts',
    'adapters/fake/process.ts',
  ])
  const upstream = await startReplayUpstream()
  const cluster = await Cluster.start()
  const names = [...Object.keys(FAULTS), ...(cluster.canFill ? [FULL_DISK] : [])]
  const struck: string[] = []
  const run = new Run(cluster, upstream, built.pathOf('src/cli.ts'))
  let loop = await run.begin()
  try {
    for (let round = 0; round < rounds; round++) {
      if (await isOver(loop.fleet.proxies[0]!)) {
        await run.end(loop)
        loop = await run.begin()
      }
      const name = names[Math.floor(random() * names.length)]!
      struck.push(name)
      progress.update('faults', round + 1, rounds, name)
      await run.round(loop, name, Math.floor(random() * 2), random() * MAX_WAIT_MS)
    }
    await run.end(loop)
    progress.stop()
    return {
      faults: counted(struck),
      full_disk: { value: cluster.canFill ? 'part of it' : 'skipped: may not mount', unit: '' },
      requests: { value: sums.requests, unit: 'requests' },
      batches_failed_without_a_killed_proxy: zero(sums.failedRequests, 'batches'),
      records_acknowledged: { value: sums.acknowledged, unit: 'records' },
      records_lost: zero(sums.lost, 'records'),
      records_stored_twice: zero(sums.twice, 'records'),
      stages_trained_twice: zero(sums.trainedTwice, 'stages'),
      budget_used_requests: spread(run.used, 'requests'),
      over_budget_requests: withBar({ value: Math.max(...run.over), unit: 'requests' }, '<=', 2),
      budget_unexpected_answers: zero(sums.unexpected, 'requests'),
      ends: {
        ...counted(run.ends),
        bar: '= live',
        holds: run.ends.every((end) => end === 'live'),
      },
      loops: withBar({ value: run.ends.length, unit: 'loops' }, '>=', 1),
    }
  } finally {
    await loop.fleet.stop().catch(() => {})
    loop.fleet.remove()
    await upstream.close()
    await cluster.stop()
    run.remove()
    built.remove()
  }
}
