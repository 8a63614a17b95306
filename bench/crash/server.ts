/**
 * Kills the whole server (proxy, worker, engine) with SIGKILL at random moments of the loop, from
 * first traffic to live, and counts what got lost: records that the admin API had shown before a
 * kill, stages that were trained to completion twice, and whether the loop still ends live. A loop
 * that a restart finds live is followed by one on an empty directory, so that no kill is spent on
 * what is over.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Progress } from '../../src/cli/output.ts'
import { seededRandom } from '../../src/random.ts'
import { orderOf, shelfOf } from '../../test/kit/traffic/shelf-orders.ts'
import { startProxy, type ProxyProcess } from '../../test/kit/process/proxy-process.ts'
import {
  startReplayUpstream,
  type ReplayUpstream,
} from '../../test/kit/upstream/replay-upstream.ts'
import { sendAll } from '../../test/kit/traffic/send-all.ts'
import { zero, type Figures } from '../../test/kit/report.ts'
import { inFolder } from '../harness/measure.ts'
import { lostRecords, noteRecords } from './checks.ts'
import {
  newestInternalization,
  jobsOf,
  stagesTrainedTwice,
  waitForEnd,
} from '../../test/kit/process/internalizations.ts'
import { LOOP_REQUESTS, loopSettings } from '../../test/kit/process/loop-settings.ts'

const MAX_LIFE_MS = 4_000
/** so many that kills soon meet training and evaluation too */
const REQUESTS_A_LIFE = 60
const FINISH_MS = 300_000

export interface CrashOptions {
  rounds: number
  seed: number
  engine: string
  /** path of the base model; null is the engine's own */
  model: string | null
  progress: Progress
}

const environment = (
  dataDir: string,
  upstream: ReplayUpstream,
  { engine, model }: CrashOptions
): Record<string, string> => ({
  ...loopSettings({ promotes: true, minSessions: 60 }),
  LOG_LEVEL: 'error',
  DATA_DIR: dataDir,
  UPSTREAM_BASE_URL: upstream.baseUrl,
  ENGINE: engine,
  ...(model === null ? {} : { MODEL_PATH: model }),
})

/** Whole loops with the server killed at random moments, each in a data directory of its own. */
class ServerLoops {
  private readonly states = new Map<string, number>()
  private readonly sums = { loops: 0, acknowledged: 0, lost: 0, trainedTwice: 0, clientErrors: 0 }
  /** ids of the records that the loop's store has shown: those are acknowledged */
  private seen = new Set<string>()
  private next = 0

  constructor(
    private readonly options: CrashOptions,
    private readonly upstream: ReplayUpstream,
    private readonly folder: string
  ) {}

  async play(): Promise<Figures> {
    const { rounds, seed, progress } = this.options
    const random = seededRandom(seed)
    for (let round = 0; round < rounds; round++) {
      await this.playRound(random() * MAX_LIFE_MS)
      progress.update('kills', round + 1, rounds, [...this.states.keys()].join(' '))
    }
    const proxy = await this.restart()
    await this.traffic(proxy, Math.max(0, LOOP_REQUESTS - this.seen.size))
    const end = await waitForEnd(proxy, FINISH_MS)
    await this.finish(proxy)
    progress.stop()
    return this.figures(end)
  }

  private dataDir(): string {
    return join(this.folder, `loop-${this.sums.loops}`)
  }

  private async traffic(proxy: ProxyProcess, count: number): Promise<void> {
    const numbers = Array.from({ length: count }, () => this.next++)
    for (const number of numbers) this.upstream.add(orderOf(number).messages, shelfOf(number), 120)
    await sendAll(proxy.baseUrl, numbers.map(orderOf), { concurrency: 4 }).catch(() => {
      this.sums.clientErrors += 1
    })
  }

  /** @returns the server after a start, its records compared with those acknowledged before */
  private async restart(): Promise<ProxyProcess> {
    const proxy = await startProxy(environment(this.dataDir(), this.upstream, this.options))
    this.sums.lost += await lostRecords(proxy, this.seen)
    return proxy
  }

  private async finish(proxy: ProxyProcess): Promise<void> {
    await proxy.stop()
    this.sums.acknowledged += this.seen.size
    this.sums.trainedTwice += stagesTrainedTwice(jobsOf(join(this.dataDir(), 'engine')))
    this.sums.loops += 1
    this.seen = new Set()
  }

  private async playRound(lifeMs: number): Promise<void> {
    let proxy = await this.restart()
    const state = (await newestInternalization(proxy))?.state.name ?? 'logging'
    this.states.set(state, (this.states.get(state) ?? 0) + 1)
    if (state === 'live') {
      await this.finish(proxy)
      proxy = await this.restart()
    }
    await Promise.all([
      this.traffic(proxy, REQUESTS_A_LIFE).then(() =>
        noteRecords(proxy, this.seen).catch(() => undefined)
      ),
      delay(lifeMs).then(() => proxy.kill()),
    ])
  }

  private figures(end: string): Figures {
    const { sums } = this
    const seenStates = [...this.states].map(([name, count]) => `${name} ${count}`).join(', ')
    return {
      kills: { value: this.options.rounds, unit: 'kills' },
      loops: { value: sums.loops, unit: 'loops' },
      records_acknowledged: { value: sums.acknowledged, unit: 'records' },
      records_lost: zero(sums.lost, 'records'),
      stages_trained_twice: zero(sums.trainedTwice, 'stages'),
      client_batches_cut: { value: sums.clientErrors, unit: 'batches' },
      states_seen_at_restart: { value: seenStates, unit: '' },
      end_state: { value: end, unit: '', bar: '= live', holds: end === 'live' },
    }
  }
}

export const crashServer = async (options: CrashOptions): Promise<Figures> => {
  const upstream = await startReplayUpstream()
  try {
    return await inFolder('crash', (folder) => new ServerLoops(options, upstream, folder).play())
  } finally {
    await upstream.close()
  }
}
