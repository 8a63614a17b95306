/**
 * What does the proxy cost? In one run beside nginx (the floor), Node's server and undici bare (the
 * parts that the product is made of), Hono with fetch (the usual way) and Portkey's
 * gateway (the nearest neighbour), with logging on and 200 live templates. Rounds are interleaved,
 * and ratios are taken within a round, because a shared machine drifts. A part that fails keeps
 * its figures so far, and the others go on. All parts together take three quarters of an hour.
 *
 *   npm run bench:proxy -- [--out file.json] [--parts overhead,streaming,matching,in-flight,mix]
 *     [--rounds 5] [--seconds 3] [--warm-up-seconds 12] [--mix-minutes 10]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from '../test/kit/process/build.ts'
import { startServer } from './load/processes.ts'
import { inFlight } from './proxy/in-flight.ts'
import { matching, MATCHING_PROCESS } from './proxy/matching.ts'
import { mix } from './proxy/mix.ts'
import { overhead } from './proxy/overhead.ts'
import { log, type Bench, type Part, type Settings } from './proxy/part.ts'
import { streaming } from './proxy/streaming.ts'
import { formatFigures, writeReport, type Figures } from '../test/kit/report.ts'

const SERVER = 'bench/load/server.ts'
/** A thread that is started by its path, so nothing imports it. */
const STORE_THREAD = 'src/store/thread/thread.ts'

const PARTS: Record<string, Part> = { overhead, streaming, matching, 'in-flight': inFlight, mix }

const readOptions = (): { out?: string; parts: string[]; settings: Omit<Settings, 'folder'> } => {
  const { values } = parseArgs({
    options: {
      out: { type: 'string' },
      parts: { type: 'string', default: Object.keys(PARTS).join() },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      'warm-up-seconds': { type: 'string', default: '12' },
      'mix-minutes': { type: 'string', default: '10' },
    },
  })
  const parts = values.parts.split(',')
  const unknown = parts.find((name) => !(name in PARTS))
  if (unknown !== undefined) throw new Error(`no part ${unknown}; there are ${Object.keys(PARTS)}`)
  return {
    ...(values.out === undefined ? {} : { out: values.out }),
    parts,
    settings: {
      rounds: Number(values.rounds),
      seconds: Number(values.seconds),
      warmUpSeconds: Number(values['warm-up-seconds']),
      mixMinutes: Number(values['mix-minutes']),
    },
  }
}

/** Figures as they come; `failed` when a part did not end well. */
const runParts = async (bench: Bench, names: string[], save: (figures: Figures) => void) => {
  let failed = false
  for (const name of names) {
    try {
      await PARTS[name]!(bench, save)
    } catch (error) {
      failed = true
      log(`FAILED ${name}: ${String(error)}`)
      save({ [`failed_${name}`]: { value: String(error), unit: '' } })
    }
  }
  return failed
}

const main = async (): Promise<void> => {
  const { out, parts, settings } = readOptions()
  const folder = mkdtempSync(join(tmpdir(), 'bench-proxy-'))
  const { pathOf, remove } = build('bench-proxy', [SERVER, STORE_THREAD, MATCHING_PROCESS])
  const script = pathOf(SERVER)
  const upstream = await startServer(script, 'upstream')
  const bench: Bench = { settings: { ...settings, folder }, script, pathOf, upstream }
  const figures: Figures = {}
  const save = (more: Figures): void => {
    Object.assign(figures, more)
    if (out) writeReport(out, figures)
  }
  try {
    if (await runParts(bench, parts, save)) process.exitCode = 1
  } finally {
    console.log(formatFigures(figures))
    await upstream.stop()
    remove()
    rmSync(folder, { recursive: true, force: true })
  }
}

await main()
