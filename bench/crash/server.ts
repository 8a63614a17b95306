/**
 * Kills the whole server (proxy, worker, engine) with SIGKILL at random moments of the loop, from
 * first traffic to live, and counts what got lost: records that the admin API had shown before a
 * kill, stages that were trained to completion twice, and whether the loop still ends live. A loop
 * that a restart finds live is followed by one on an empty directory, so that no kill is spent on
 * what is over.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Progress } from '../../src/cli/output.ts'
import { seededRandom } from '../../src/random.ts'
import { orderOf, shelfOf } from '../../test/kit/traffic/shelf-orders.ts'
import { startProxy, type ProxyProcess } from '../../test/kit/process/proxy-process.ts'
import {
  startReplayUpstream,
  type ReplayUpstream,
} from '../../test/kit/upstream/replay-upstream.ts'
import { sendAll } from '../../test/kit/traffic/send-all.ts'
import { withBar, type Figures } from '../../test/kit/report.ts'
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

/** One data directory, from empty to live. */
interface Loop {
  dataDir: string
  /** ids of the records that its store has shown: those are acknowledged */
  seen: Set<string>
}

const newLoop = (): Loop => ({
  dataDir: mkdtempSync(join(tmpdir(), 'promptintern-crash-')),
  seen: new Set(),
})

export const crashServer = async (options: CrashOptions): Promise<Figures> => {
  const { rounds, progress } = options
  const random = seededRandom(options.seed)
  const upstream = await startReplayUpstream()
  const states = new Map<string, number>()
  const sums = { loops: 0, acknowledged: 0, lost: 0, trainedTwice: 0, clientErrors: 0 }
  let loop = newLoop()
  let next = 0

  const traffic = async (proxy: ProxyProcess, count: number): Promise<void> => {
    const numbers = Array.from({ length: count }, () => next++)
    for (const number of numbers) upstream.add(orderOf(number).messages, shelfOf(number), 120)
    await sendAll(proxy.baseUrl, numbers.map(orderOf), { concurrency: 4 }).catch(() => {
      sums.clientErrors += 1
    })
  }

  /** @returns the server after a start, its records compared with those acknowledged before */
  const restart = async (): Promise<ProxyProcess> => {
    const proxy = await startProxy(environment(loop.dataDir, upstream, options))
    sums.lost += await lostRecords(proxy, loop.seen)
    return proxy
  }

  const finish = async (proxy: ProxyProcess): Promise<void> => {
    await proxy.stop()
    sums.loops += 1
    sums.acknowledged += loop.seen.size
    sums.trainedTwice += stagesTrainedTwice(jobsOf(join(loop.dataDir, 'engine')))
    rmSync(loop.dataDir, { recursive: true })
  }

  try {
    for (let round = 0; round < rounds; round++) {
      let proxy = await restart()
      const state = (await newestInternalization(proxy))?.state.name ?? 'logging'
      states.set(state, (states.get(state) ?? 0) + 1)
      if (state === 'live') {
        await finish(proxy)
        loop = newLoop()
        proxy = await restart()
      }
      const killed = new Promise<void>((resolve) => setTimeout(resolve, random() * MAX_LIFE_MS))
      await Promise.all([
        traffic(proxy, REQUESTS_A_LIFE).then(() =>
          noteRecords(proxy, loop.seen).catch(() => undefined)
        ),
        killed.then(() => proxy.kill()),
      ])
      progress.update('kills', round + 1, rounds, [...states.keys()].join(' '))
    }
    const proxy = await restart()
    await traffic(proxy, Math.max(0, LOOP_REQUESTS - loop.seen.size))
    const end = await waitForEnd(proxy, FINISH_MS)
    await finish(proxy)
    progress.stop()
    const seenStates = [...states].map(([name, count]) => `${name} ${count}`).join(', ')
    return {
      kills: { value: rounds, unit: 'kills' },
      loops: { value: sums.loops, unit: 'loops' },
      records_acknowledged: { value: sums.acknowledged, unit: 'records' },
      records_lost: withBar({ value: sums.lost, unit: 'records' }, '<=', 0),
      stages_trained_twice: withBar({ value: sums.trainedTwice, unit: 'stages' }, '<=', 0),
      client_batches_cut: { value: sums.clientErrors, unit: 'batches' },
      states_seen_at_restart: { value: seenStates, unit: '' },
      end_state: { value: end, unit: '', bar: '= live', holds: end === 'live' },
    }
  } finally {
    await upstream.close()
    rmSync(loop.dataDir, { recursive: true, force: true })
  }
}
