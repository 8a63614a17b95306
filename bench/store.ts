/**
 * What the stores cost, and how fast a large log is read. PostgreSQL runs on the same cores, with its defaults,
 * in a folder that is deleted; `--keep` keeps it, with the filled log, and `--url` measures another server by an
 * empty database, one part at a time. A part that fails keeps its figures so far, and the others go on.
 *
 *   npm run bench:store -- [--out file.json] [--part log|requests|pages]... [--rounds 5] [--seconds 5]
 *     [--records 10000000] [--days 90] [--requests 40] [--keep folder] [--url postgres://…]
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { stopServer } from '../test/kit/postgres/postgres-process.ts'
import { build } from '../test/kit/process/build.ts'
import { formatFigures, writeReport, type Figures } from '../test/kit/report.ts'
import { log } from './store/log.ts'
import { CLI, pages } from './store/pages.ts'
import type { Bench, Part, Settings } from './store/part.ts'
import { PROXY_SERVER, requests } from './store/requests.ts'
import { databases } from './store/server.ts'

/** A thread that is started by its path, so nothing imports it. */
const STORE_THREAD = 'src/store/thread/thread.ts'

const PARTS: Record<string, Part> = { log, requests, pages }

interface Options {
  out: string | undefined
  parts: string[]
  settings: Settings
  keep: string | null
  url: string | null
}

const readOptions = (): Options => {
  const { values } = parseArgs({
    options: {
      out: { type: 'string' },
      part: { type: 'string', multiple: true, default: Object.keys(PARTS) },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '5' },
      records: { type: 'string', default: '10000000' },
      days: { type: 'string', default: '90' },
      requests: { type: 'string', default: '40' },
      keep: { type: 'string' },
      url: { type: 'string' },
    },
  })
  const { out, part: parts, keep = null, url = null, ...numbers } = values
  const unknown = parts.find((name) => !(name in PARTS))
  if (unknown !== undefined) throw new Error(`no part ${unknown}; there are ${Object.keys(PARTS)}`)
  if (url !== null && parts.length !== 1) throw new Error('--url needs one --part')
  const settings = Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => [name, Number(value)])
  ) as unknown as Settings
  return { out, parts, settings, keep: keep === null ? null : resolve(keep), url }
}

const runParts = async (
  bench: Bench,
  names: string[],
  save: (figures: Figures) => void
): Promise<void> => {
  for (const name of names) {
    try {
      await PARTS[name]!(bench, save)
    } catch (error) {
      process.exitCode = 1
      console.error(error)
      save({ [`failed_${name}`]: { value: String(error), unit: '' } })
    }
  }
}

const main = async (): Promise<void> => {
  const { out, parts, settings, keep, url } = readOptions()
  const folder = mkdtempSync(join(tmpdir(), 'bench-store-'))
  // not within the other one: the server runs as another user
  const serverFolder = keep ?? mkdtempSync(join(tmpdir(), 'bench-store-server-'))
  mkdirSync(serverFolder, { recursive: true })
  const built = build('bench-store', [CLI, PROXY_SERVER, STORE_THREAD])
  const databaseFor = databases(serverFolder, keep !== null, url)
  const figures: Figures = {}
  try {
    await runParts({ settings, folder, build: built, databaseFor }, parts, (more) => {
      Object.assign(figures, more)
      if (out !== undefined) writeReport(out, figures)
    })
  } finally {
    console.log(formatFigures(figures))
    built.remove()
    await stopServer(serverFolder)
    const made = keep === null ? [folder, serverFolder] : [folder]
    for (const used of made) rmSync(used, { recursive: true, force: true })
  }
}

await main()
