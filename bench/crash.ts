/**
 * Kills the whole server (proxy, worker, engine) with SIGKILL at random moments of the loop, from
 * first traffic to live, and counts what got lost: records that the admin API had shown before a
 * kill, stages that were trained to completion twice, and whether the loop still ends live. A loop
 * that a restart finds live is followed by one on an empty directory, so that no kill is spent on
 * what is over.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { JobObject } from '../src/openai/fine-tuning.ts'
import { seededRandom } from '../src/random.ts'
import { createProgress } from '../src/cli/output.ts'
import { orderOf, shelfOf } from './harness/paint-orders.ts'
import { newestInternalization, startProxy, type ProxyProcess } from './harness/proxy-process.ts'
import { startReplayUpstream, type ReplayUpstream } from './harness/replay-upstream.ts'
import { sendAll } from './harness/traffic.ts'
import { formatFigures, withBar, writeReport, type Figure } from './report.ts'

const { values: args } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    engine: { type: 'string', default: 'fake' },
    model: { type: 'string' },
    out: { type: 'string' },
  },
})

const TRAIN_ROWS = 120
const HOLDOUT_ROWS = 120
const MAX_LIFE_MS = 4_000
/** so many that kills soon meet training and evaluation too */
const REQUESTS_A_LIFE = 60
const FINISH_MS = 300_000

const environment = (dataDir: string, upstream: ReplayUpstream): Record<string, string> => ({
  DATA_DIR: dataDir,
  UPSTREAM_BASE_URL: upstream.baseUrl,
  ENGINE: args.engine,
  ...(args.model === undefined ? {} : { MODEL_PATH: args.model }),
  AUTO_PROMOTE: 'true',
  DETECT_MIN_SESSIONS: '60',
  TRAIN_ROWS: String(TRAIN_ROWS),
  HOLDOUT_ROWS: String(HOLDOUT_ROWS),
  LOG_LEVEL: 'error',
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

const noteRecords = async (proxy: ProxyProcess, seen: Set<string>): Promise<Set<string>> => {
  const stored = new Set<string>()
  let after = 0
  for (;;) {
    const { data } = await proxy.admin<{ data: { id: string; sequence: number }[] }>(
      `/records?limit=500&order=asc&after=${after}`
    )
    for (const record of data) stored.add(record.id)
    if (data.length < 500) break
    after = data.at(-1)!.sequence
  }
  for (const id of stored) seen.add(id)
  return stored
}

const lostRecords = async (proxy: ProxyProcess, seen: Set<string>): Promise<number> => {
  const before = new Set(seen)
  const stored = await noteRecords(proxy, seen)
  return [...before].filter((id) => !stored.has(id)).length
}

/** Stages with more than one job that succeeded, from the engine's own job files. */
const stagesTrainedTwice = (dataDir: string): number => {
  const folder = join(dataDir, 'engine', 'jobs')
  const done = new Map<string, number>()
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.json')) continue
    const { job } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { job: JobObject }
    const key = job.metadata.idempotency_key
    if (job.status === 'succeeded' && key !== undefined) done.set(key, (done.get(key) ?? 0) + 1)
  }
  return [...done.values()].filter((count) => count > 1).length
}

const waitForEnd = async (proxy: ProxyProcess): Promise<string> => {
  const deadline = Date.now() + FINISH_MS
  while (Date.now() < deadline) {
    const state = (await newestInternalization(proxy))?.state
    if (state?.name === 'live') return 'live'
    if (state?.name === 'failed') return `failed: ${state.cause}`
    if (state?.name === 'rejected') return `rejected: ${state.reason}`
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  return 'unfinished'
}

const run = async (): Promise<void> => {
  const rounds = Number(args.rounds)
  const random = seededRandom(Number(args.seed))
  const progress = createProgress(process.stderr.isTTY === true)
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
    const proxy = await startProxy(environment(loop.dataDir, upstream))
    sums.lost += await lostRecords(proxy, loop.seen)
    return proxy
  }

  const finish = async (proxy: ProxyProcess): Promise<void> => {
    await proxy.stop()
    sums.loops += 1
    sums.acknowledged += loop.seen.size
    sums.trainedTwice += stagesTrainedTwice(loop.dataDir)
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
    await traffic(proxy, Math.max(0, 2 * (TRAIN_ROWS + HOLDOUT_ROWS) - loop.seen.size))
    const end = await waitForEnd(proxy)
    await finish(proxy)
    progress.stop()
    const seenStates = [...states].map(([name, count]) => `${name} ${count}`).join(', ')
    const figures: Record<string, Figure> = {
      kills: { value: rounds, unit: 'kills' },
      loops: { value: sums.loops, unit: 'loops' },
      records_acknowledged: { value: sums.acknowledged, unit: 'records' },
      records_lost: withBar({ value: sums.lost, unit: 'records' }, '<=', 0),
      stages_trained_twice: withBar({ value: sums.trainedTwice, unit: 'stages' }, '<=', 0),
      client_batches_cut: { value: sums.clientErrors, unit: 'batches' },
      states_seen_at_restart: { value: seenStates, unit: '' },
      end_state: { value: end, unit: '', bar: '= live', holds: end === 'live' },
    }
    process.stdout.write(`${formatFigures(figures)}\n`)
    if (args.out !== undefined) writeReport(args.out, figures)
    process.exitCode = Object.values(figures).every((figure) => figure.holds !== false) ? 0 : 1
  } finally {
    await upstream.close()
    rmSync(loop.dataDir, { recursive: true, force: true })
  }
}

await run()
