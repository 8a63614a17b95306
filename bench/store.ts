/**
 * What the stores cost, and how fast a large log is read. PostgreSQL runs on the same cores, with its defaults,
 * in a folder that is deleted; `--keep` keeps it, with the filled log, and `--url` measures another server by an
 * empty database, one part at a time. A part that fails keeps its figures so far, and the others go on.
 *
 *   npm run bench:store -- [--out file.json] [--parts log,requests,pages] [--rounds 5] [--seconds 5]
 *     [--records 10000000] [--days 90] [--requests 40] [--keep folder] [--url postgres://…]
 */
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { stopServer } from '../test/kit/postgres/postgres-process.ts'
import { build } from '../test/kit/process/build.ts'
import { formatFigures } from '../test/kit/report.ts'
import { log } from './store/log.ts'
import { CLI, pages } from './store/pages.ts'
import type { Part } from './store/part.ts'
import { PROXY_SERVER, requests } from './store/requests.ts'
import { databases } from './store/server.ts'
import { inFolder, runParts } from './harness/measure.ts'
import { optional, partsOf, readOptions } from './harness/options.ts'

/** A thread that is started by its path, so nothing imports it. */
const STORE_THREAD = 'src/store/thread/thread.ts'

const PARTS: Record<string, Part> = { log, requests, pages }

const args = readOptions({
  parts: optional,
  rounds: 5,
  seconds: 5,
  records: 10_000_000,
  days: 90,
  requests: 40,
  keep: optional,
  url: optional,
})
const parts = partsOf(args.parts, PARTS)
if (args.url !== undefined && parts.length !== 1) throw new Error('--url needs one of --parts')
const keep = args.keep === undefined ? null : resolve(args.keep)

const run = async (folder: string, serverFolder: string): Promise<void> => {
  const built = build('bench-store', [CLI, PROXY_SERVER, STORE_THREAD])
  const databaseFor = databases(serverFolder, keep !== null, args.url ?? null)
  const bench = { settings: args, folder, build: built, databaseFor }
  const figures = await runParts(parts, args.out, (name, save) => PARTS[name]!(bench, save))
  console.log(formatFigures(figures))
  built.remove()
}

await inFolder('store', async (folder) => {
  // not within the other one: the server runs as another user
  if (keep === null) return inFolder('store-server', (serverFolder) => run(folder, serverFolder))
  mkdirSync(keep, { recursive: true })
  try {
    await run(folder, keep)
  } finally {
    await stopServer(keep)
  }
})
