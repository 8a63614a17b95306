/**
 * How fast and how heavy the admin page is, over the real server with a busy year in its store:
 * 10,000 records, 200 templates, 50 internalizations. docs/decisions.md#admin-page
 * `npm run bench:page -- --out file.json`
 */
import { request, type IncomingMessage } from 'node:http'
import { createProgress } from '../src/cli/output.ts'
import { openLocalStore } from '../src/store/sqlite/local.ts'
import { fillStore, recordIdOf, versionOf } from '../test/kit/store/large-store.ts'
import { ADMIN_TOKEN, startProxy } from '../test/kit/process/proxy-process.ts'
import { spread, withBar, type Figures } from '../test/kit/report.ts'
import { readOptions } from './harness/options.ts'
import { benchmark } from './harness/measure.ts'

const args = readOptions({
  records: 10_000,
  templates: 200,
  internalizations: 50,
  rounds: 9,
})

const MINUTE_MS = 60_000
const MAX_FIRST_BYTE_MS = 150
const MAX_FIRST_VISIT_BYTES = 200_000
const MAX_VIEW_BYTES = 30_000

const size = {
  records: args.records,
  templates: args.templates,
  internalizations: args.internalizations,
}

const fill = async (dataDir: string): Promise<string> => {
  const store = await openLocalStore({ dataDir })
  await fillStore(store, { ...size, from: Date.now() - size.records * MINUTE_MS })
  const [newest] = (await store.internalizations.list({ recordIds: false })).slice(-1)
  await store.close()
  return newest!.id
}

interface Loaded {
  firstByteMs: number
  /** as transferred: headers and the compressed body */
  bytes: number
  headers: IncomingMessage['headers']
  status: number
}

/** On a connection of its own, as a browser's first request. */
const load = (address: string, options: { cookie?: string; form?: string } = {}): Promise<Loaded> =>
  new Promise((resolve, reject) => {
    const { cookie = '', form } = options
    const { origin } = new URL(address)
    const begun = performance.now()
    const sent = request(
      address,
      {
        method: form === undefined ? 'GET' : 'POST',
        agent: false,
        headers: {
          'accept-encoding': 'gzip',
          cookie,
          ...(form !== undefined && {
            'content-type': 'application/x-www-form-urlencoded',
            origin,
          }),
        },
      },
      (response) => {
        const firstByteMs = performance.now() - begun
        const { headers, statusCode, socket } = response
        response.resume()
        response.on('end', () =>
          resolve({ firstByteMs, bytes: socket.bytesRead, headers, status: statusCode! })
        )
      }
    )
    sent.on('error', reject)
    sent.end(form)
  })

const bytesOfAssets = async (base: string, cookie: string): Promise<number> => {
  const markup = await (await fetch(`${base}/admin`, { headers: { cookie } })).text()
  const paths = [...markup.matchAll(/"(\/admin\/assets\/[^"]+)"/g)].map(([, path]) => path!)
  const loaded = await Promise.all([...new Set(paths)].map((path) => load(base + path)))
  return loaded.reduce((sum, { bytes }) => sum + bytes, 0)
}

const viewsOf = (internalization: string): Record<string, string> => ({
  overview: '',
  templates: '/templates',
  template: `/templates/${versionOf(0)}`,
  internalization: `/internalizations/${internalization}`,
  answers: `/internalizations/${internalization}/answers`,
  records: '/records',
  records_filtered: '/records?status=5xx',
  record: `/records/${recordIdOf(0)}`,
  jobs: '/jobs',
  keys: '/keys',
  forget: '/forget',
})

const viewFigures = ([name, loads]: [string, Loaded[]]): Figures => {
  const firstBytes = loads.map(({ firstByteMs }) => firstByteMs)
  const bytes = { value: loads[0]!.bytes, unit: 'bytes' }
  return {
    [`first_byte_ms_${name}`]: withBar(spread(firstBytes, 'ms'), '<=', MAX_FIRST_BYTE_MS),
    [`bytes_${name}`]: withBar(bytes, '<=', MAX_VIEW_BYTES),
  }
}

const run = async (dataDir: string): Promise<Figures> => {
  const progress = createProgress()
  progress.update('page', 0, 1, 'the store is filled')
  const internalization = await fill(dataDir)
  // nothing to learn from: the worker only looks at what is there
  const server = await startProxy({
    DATA_DIR: dataDir,
    UPSTREAM_BASE_URL: 'http://127.0.0.1:9',
    ENGINE: 'none',
    LOG_LEVEL: 'error',
  })
  try {
    const form = new URLSearchParams({ token: ADMIN_TOKEN }).toString()
    const { headers } = await load(`${server.baseUrl}/admin/sign-in`, { form })
    const cookie = headers['set-cookie']![0]!.split(';')[0]!
    const views = Object.entries(viewsOf(internalization))
    // view by view in turn: the worker reads the log after the start, and no view alone pays for it
    const loads = new Map<string, Loaded[]>(views.map(([name]) => [name, []]))
    const rounds = args.rounds
    for (let round = 0; round < rounds; round++) {
      for (const [name, path] of views) {
        const loaded = await load(`${server.baseUrl}/admin${path}`, { cookie })
        if (loaded.status !== 200) throw new Error(`${name}: status ${loaded.status}`)
        loads.get(name)!.push(loaded)
      }
      progress.update('page', round + 1, rounds)
    }
    const figures = Object.assign({}, ...[...loads].map(viewFigures)) as Figures
    const heaviest = Math.max(...[...loads.values()].map(([first]) => first!.bytes))
    const firstVisit = heaviest + (await bytesOfAssets(server.baseUrl, cookie))
    figures['bytes_first_visit'] = withBar(
      { value: firstVisit, unit: 'bytes' },
      '<=',
      MAX_FIRST_VISIT_BYTES
    )
    return figures
  } finally {
    progress.stop()
    await server.stop()
  }
}

await benchmark('page', args.out, run)
