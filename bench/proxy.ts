/**
 * What does the proxy cost? CPU per request with logging on, 8 KB bodies and 200 live templates, in
 * one run beside nginx (the floor) and Hono with fetch (the usual way). The rounds are interleaved,
 * and ratios are taken within a round, because a shared machine drifts.
 *
 *   npm run bench:proxy -- [--out file.json] [--rounds 3] [--seconds 10] [--concurrency 64]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { LogQueueStats } from '../src/proxy/log-queue.ts'
import { build } from './harness/build.ts'
import { load, loadGenerator, type Load } from './proxy-load.ts'
import { cpuMicros, isInstalled, startNginx, startServer, type Target } from './proxy-processes.ts'
import { formatFigures, spread, withBar, writeReport, type Figure } from './report.ts'

const SERVER = 'bench/proxy-server.ts'
const CPU_BAR = 5.2
/** A JIT is measured when it has compiled: requests before the first round, or seconds at most. */
const WARM_UP_REQUESTS = 30_000
const WARM_UP_SLICE_SECONDS = 2
const MAX_WARM_UP_SLICES = 15
const IDLE_MS = 1000

interface Measured extends Load {
  cpuMicrosPerRequest: number
}

type Round = Record<string, Measured>

interface Settings {
  rounds: number
  seconds: number
  concurrency: number
  folder: string
}

const log = (message: string): void => {
  console.error(message)
}

/** CPU until the server is idle again: what is written behind the answers counts too. */
const cpuWhenIdle = async (target: Target): Promise<number> => {
  for (;;) {
    const before = cpuMicros(target)
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
    // two ticks a second is a process that waits
    if (cpuMicros(target) - before <= 20_000) return before
  }
}

const measure = async (target: Target, seconds: number, settings: Settings): Promise<Measured> => {
  const before = await cpuWhenIdle(target)
  const result = await load({ ...settings, port: target.port, seconds })
  const used = (await cpuWhenIdle(target)) - before
  if (result.failed > 0) throw new Error(`${result.failed} of ${result.requests} requests failed`)
  return { ...result, cpuMicrosPerRequest: used / result.requests }
}

const warmUp = async (target: Target, settings: Settings): Promise<void> => {
  let requests = 0
  for (let i = 0; i < MAX_WARM_UP_SLICES && requests < WARM_UP_REQUESTS; i++) {
    const slice = { ...settings, port: target.port, seconds: WARM_UP_SLICE_SECONDS }
    requests += (await load(slice)).requests
  }
}

const runRounds = async (targets: Record<string, Target>, settings: Settings): Promise<Round[]> => {
  for (const target of Object.values(targets)) await warmUp(target, settings)
  const rounds: Round[] = []
  for (let i = 0; i < settings.rounds; i++) {
    const round: Round = {}
    for (const [name, target] of Object.entries(targets)) {
      const measured = await measure(target, settings.seconds, settings)
      round[name] = measured
      const { requestsPerSecond, cpuMicrosPerRequest, p50Ms, p99Ms } = measured
      log(
        `round ${i + 1}, ${name}: ${requestsPerSecond.toFixed(0)} req/s, ` +
          `${cpuMicrosPerRequest.toFixed(0)} µs CPU, p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`
      )
    }
    rounds.push(round)
  }
  return rounds
}

const figuresOf = (rounds: Round[], names: string[]): Record<string, Figure> => {
  const figures: Record<string, Figure> = {}
  for (const name of names) {
    const of = (read: (measured: Measured) => number): number[] =>
      rounds.map((round) => read(round[name]!))
    figures[`cpu_us_${name}`] = spread(
      of((measured) => measured.cpuMicrosPerRequest),
      'µs/request'
    )
    figures[`requests_per_second_${name}`] = spread(
      of((measured) => measured.requestsPerSecond),
      '1/s'
    )
    figures[`p50_ms_${name}`] = spread(
      of((measured) => measured.p50Ms),
      'ms'
    )
    figures[`p99_ms_${name}`] = spread(
      of((measured) => measured.p99Ms),
      'ms'
    )
  }
  for (const other of names.filter((name) => name !== 'ours')) {
    const ratio = (read: (measured: Measured) => number): Figure =>
      spread(
        rounds.map((round) => read(round.ours!) / read(round[other]!)),
        'ratio'
      )
    const cpu = ratio((measured) => measured.cpuMicrosPerRequest)
    figures[`cpu_vs_${other}`] = other === 'nginx' ? withBar(cpu, '<=', CPU_BAR) : cpu
    figures[`throughput_vs_${other}`] = ratio((measured) => measured.requestsPerSecond)
  }
  return figures
}

const logFigures = ({ written, dropped }: LogQueueStats): Record<string, Figure> => ({
  log_written: { value: written, unit: 'records' },
  log_dropped_share: { value: dropped / Math.max(1, written + dropped), unit: 'share' },
})

const startTargets = async (
  script: string,
  folder: string,
  upstream: Target
): Promise<Record<string, Target>> => {
  const url = `http://127.0.0.1:${upstream.port}`
  const targets: Record<string, Target> = {}
  targets.hono_fetch = await startServer(script, 'fetch', url)
  // next to ours, because the bar is a ratio to it
  if (isInstalled('nginx')) targets.nginx = await startNginx(folder, upstream.port)
  else log('SKIPPED nginx: not installed, so cpu_vs_nginx has no figure')
  targets.ours = await startServer(script, 'ours', url, join(folder, 'data'))
  return targets
}

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      out: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '10' },
      concurrency: { type: 'string', default: '64' },
    },
  })
  const folder = mkdtempSync(join(tmpdir(), 'bench-proxy-'))
  const settings: Settings = {
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
    concurrency: Number(values.concurrency),
    folder,
  }
  log(`load by ${loadGenerator}`)
  // the thread is started by its path, so nothing imports it
  const built = build('proxy', [SERVER, 'src/store/sqlite/thread.ts'])
  const script = built.pathOf(SERVER)
  const upstream = await startServer(script, 'upstream')
  const targets = await startTargets(script, folder, upstream)
  try {
    const rounds = await runRounds(targets, settings)
    const logStats = JSON.parse(await targets.ours!.stop()) as LogQueueStats
    delete targets.ours
    const names = Object.keys(rounds[0] ?? {})
    const figures = { ...figuresOf(rounds, names), ...logFigures(logStats) }
    console.log(formatFigures(figures))
    if (values.out) writeReport(values.out, figures)
  } finally {
    for (const target of Object.values(targets)) await target.stop()
    await upstream.stop()
    built.remove()
    rmSync(folder, { recursive: true, force: true })
  }
}

await main()
