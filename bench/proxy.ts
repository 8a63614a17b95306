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
import { build } from '../test/kit/process/build.ts'
import { startServer } from './load/processes.ts'
import { inFlight } from './proxy/in-flight.ts'
import { matching, MATCHING_PROCESS } from './proxy/matching.ts'
import { mix } from './proxy/mix.ts'
import { overhead } from './proxy/overhead.ts'
import type { Bench, Part } from './proxy/part.ts'
import { streaming } from './proxy/streaming.ts'
import { formatFigures } from '../test/kit/report.ts'
import { inFolder, runParts } from './harness/measure.ts'
import { optional, partsOf, readOptions } from './harness/options.ts'

const SERVER = 'bench/load/server.ts'
/** A thread that is started by its path, so nothing imports it. */
const STORE_THREAD = 'src/store/thread/thread.ts'

const PARTS: Record<string, Part> = {
  overhead,
  streaming,
  matching,
  'in-flight': inFlight,
  mix,
}

const args = readOptions({
  parts: optional,
  rounds: 5,
  seconds: 3,
  warmUpSeconds: 12,
  mixMinutes: 10,
})

const parts = partsOf(args.parts, PARTS)

await inFolder('proxy', async (folder) => {
  const { pathOf, remove } = build('bench-proxy', [SERVER, STORE_THREAD, MATCHING_PROCESS])
  const script = pathOf(SERVER)
  const upstream = await startServer(script, 'upstream')
  const bench: Bench = { settings: { ...args, folder }, script, pathOf, upstream }
  try {
    const figures = await runParts(parts, args.out, (name, save) => PARTS[name]!(bench, save))
    console.log(formatFigures(figures))
  } finally {
    await upstream.stop()
    remove()
  }
})
