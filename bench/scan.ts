/**
 * How long does a scan of 10,000 exchanges of three templates take, in how much memory, is the lower bound of its
 * coverage true, and does it name the planted cause for which a provider's cache is not read?
 * `npm run bench:scan -- --out file.json`
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createProgress } from '../src/cli/output.ts'
import { openScanEncoder } from '../src/cli/scan/encoder.ts'
import type { ScanReport } from '../src/core/scan/report.ts'
import type { ExchangeRecord } from '../src/core/log/record.ts'
import { conclude, mean, spread, withBar, zero, type Figures } from '../test/kit/report.ts'
import { PLANTED, type Planted } from '../test/kit/cache/cache-logs.ts'
import { judgeCache } from '../test/kit/cache/judge-cache.ts'
import { APPLICATIONS } from '../test/kit/traffic/scan-applications.ts'
import { optional, readOptions } from './harness/options.ts'
import { runBuilt } from './harness/run-built.ts'
import { drawLog, recordOf, type Draw } from '../test/kit/traffic/scan-draws.ts'

const SCRIPT = 'bench/scan.ts'
const CLI = 'src/cli.ts'
const EXCHANGES = 10_000
const POLL_MS = 100

/** Exchange `number` of a log of all applications in turn. */
const exchangeAt = (number: number): ExchangeRecord =>
  recordOf(APPLICATIONS[number % APPLICATIONS.length]!.make(0, number), number)

const lineAt = (number: number): string => {
  const { at, request, response } = exchangeAt(number)
  return JSON.stringify({ at, request: JSON.parse(request), response: JSON.parse(response!) })
}

/** Peak of a running process in MB, from proc(5); 0 where the system does not tell. */
const peakMbOf = (pid: number): number => {
  try {
    const found = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return Number(found?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

interface Timed {
  report: ScanReport
  seconds: number
  peakMb: number
}

const timeScan = (cli: string, path: string): Promise<Timed> =>
  new Promise((resolve, reject) => {
    const start = performance.now()
    const env = { ...process.env, LOG_LEVEL: 'warn' }
    const child = spawn(process.execPath, [cli, 'scan', path, '--json'], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let [written, peakMb] = ['', 0]
    child.stdout.on('data', (chunk: Buffer) => (written += chunk.toString()))
    const poll = setInterval(() => (peakMb = Math.max(peakMb, peakMbOf(child.pid!))), POLL_MS)
    child.once('close', (code) => {
      clearInterval(poll)
      const seconds = (performance.now() - start) / 1000
      if (code === 0) resolve({ report: JSON.parse(written) as ScanReport, seconds, peakMb })
      else reject(new Error(`the scan ended with ${code}`))
    })
  })

const measureTime = async (cli: string, runs: number): Promise<Figures> => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-scan-'))
  try {
    const path = join(folder, 'chats.jsonl')
    writeFileSync(path, Array.from({ length: EXCHANGES }, (_, i) => lineAt(i)).join('\n'))
    const timed: Timed[] = []
    for (let run = 0; run < runs; run++) timed.push(await timeScan(cli, path))
    const { templates } = timed[0]!.report
    return {
      templates: {
        value: templates.length,
        unit: 'found',
        bar: '3',
        holds: templates.length === 3,
      },
      seconds: withBar(
        spread(
          timed.map(({ seconds }) => seconds),
          `s for ${EXCHANGES} exchanges`
        ),
        '<=',
        90
      ),
      peak_mb: spread(
        timed.map(({ peakMb }) => peakMb),
        'MB'
      ),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const drawFigures = (draws: Draw[], refused: number): Figures => {
  const isTrue = draws.filter(({ lowerBound, truth }) => lowerBound <= truth).length
  return {
    draws: { value: draws.length, unit: 'logs for which the gate passes' },
    draws_refused: { value: refused, unit: 'logs' },
    bound_true: withBar({ value: isTrue / draws.length, unit: 'share of the draws' }, '>=', 0.95),
    expected_coverage: { value: mean(draws.map(({ expected }) => expected)), unit: 'mean' },
    true_coverage: { value: mean(draws.map(({ truth }) => truth)), unit: 'mean' },
    lower_bound: { value: mean(draws.map(({ lowerBound }) => lowerBound)), unit: 'mean' },
  }
}

const MOST_REFUSED = 3

const measureBound = async (count: number, rows: number, fresh: number): Promise<Figures> => {
  const progress = createProgress()
  const draws: Draw[] = []
  let tried = 0
  while (draws.length < count && tried < MOST_REFUSED * count) {
    const application = APPLICATIONS[tried % APPLICATIONS.length]!
    const drawn = await drawLog(application, ++tried, {
      rows,
      fresh,
      encoder: await openScanEncoder(null, 1),
    })
    if (drawn !== null) draws.push(drawn)
    progress.update('draws', draws.length, count)
  }
  progress.stop()
  return drawFigures(draws, tried - draws.length)
}

const PAIRS: Planted[][] = [
  ['date', 'name'],
  ['time', 'counter'],
  ['name', 'id'],
  ['retrieved-examples', 'time'],
  ['tools-order', 'date'],
  ['tools-change', 'id'],
  ['several-models', 'time'],
  ['gap', 'time'],
]

/** @param seeds of each planted cause, each pair and the clean log; every other log has the provider's counts */
const measureCauses = (seeds: number): Figures => {
  const progress = createProgress()
  const plans: Planted[][] = [...PLANTED.map((cause) => [cause]), ...PAIRS, []]
  const judged = plans.flatMap((planted, at) =>
    Array.from({ length: seeds }, (_, number) => {
      progress.update('planted causes', at * seeds + number, plans.length * seeds)
      const seed = 1000 + number
      return { planted, ...judgeCache({ seed, planted, isCounted: seed % 2 === 0 }) }
    })
  )
  progress.stop()
  const of = (causes: number) => judged.filter(({ planted }) => planted.length === causes)
  const right = (causes: number): number => mean(of(causes).map(({ isRight }) => Number(isRight)))
  const errors = judged.filter(({ planted }) => planted.length > 0).map(({ error }) => error)
  return {
    cache_cause_right: withBar(
      { value: right(1), unit: `share of ${of(1).length} logs` },
      '>=',
      0.95
    ),
    cache_cause_right_of_two: withBar(
      { value: right(2), unit: `share of ${of(2).length} logs` },
      '>=',
      0.95
    ),
    cache_usd_error: withBar(spread(errors, 'of the truth; the bar is for the median'), '<=', 0.1),
    cache_usd_within_a_tenth: {
      value: mean(errors.map((error) => Number(error <= 0.1))),
      unit: 'share of the logs',
    },
    cache_clean_named: zero(
      of(0).filter(({ isRight }) => !isRight).length,
      `of ${of(0).length} clean logs`
    ),
  }
}

const args = readOptions({
  runs: 1,
  draws: 40,
  // exchanges of a drawn log
  rows: 1500,
  fresh: 5000,
  // logs of each planted cause
  causes: 20,
  /** the built command line */
  cli: optional,
})

const figuresOf = async (): Promise<Figures> => ({
  ...(args.runs > 0 ? await measureTime(args.cli!, args.runs) : {}),
  ...(args.causes > 0 ? measureCauses(args.causes) : {}),
  ...(args.draws > 0 ? await measureBound(args.draws, args.rows, args.fresh) : {}),
})

// memory and time are those of the built program
if (import.meta.url.endsWith('.ts'))
  runBuilt('bench-scan', [SCRIPT, CLI, 'src/store/thread/thread.ts'], (pathOf) => [
    '--cli',
    pathOf(CLI),
  ])
else conclude(await figuresOf(), args.out)
