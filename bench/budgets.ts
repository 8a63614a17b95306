/**
 * Whether a budget holds across proxies: two on one store, 400 requests in parallel for a budget of 100, each
 * billed with the most that it can cost; over SQLite and over PostgreSQL. Then requests go on one by one until
 * both proxies refuse. With `--kill` one proxy is killed in the middle of each round, with SIGKILL.
 *
 *   npm run bench:budgets -- [--out file.json] [--rounds 10] [--kill]
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { SECRET_BYTES } from '../src/core/keys/issued-key.ts'
import type { OpenStore } from '../src/store/store.ts'
import { openPostgresStore, openSqliteStore } from '../src/store/thread/open.ts'
import {
  PASSWORD,
  optionsOf,
  serverIn,
  USER,
  WHY_NO_SERVER,
} from '../test/kit/postgres/postgres-process.ts'
import {
  ask,
  askMany,
  fleetEnvironment,
  keyOfRequests,
  startBillingUpstream,
  statusBecomes,
  type BillingUpstream,
} from '../test/kit/process/budget-fleet.ts'
import { build } from '../test/kit/process/build.ts'
import { startProxy, type ProxyProcess } from '../test/kit/process/proxy-process.ts'
import { spread, withBar, type Figure, type Figures } from '../test/kit/report.ts'
import { readOptions } from './harness/options.ts'
import { benchmark, inFolder } from './harness/measure.ts'

const args = readOptions({
  rounds: 10,
  kill: false,
})

const PARALLEL = 400
const IN_BUDGET = 100
const MAX_OVER = 2
const REFUSED = 429
const UNKNOWN = 503
const AWAY = 0
/** until slices that are not needed have gone back */
const SETTLED_MS = 5_000

interface Round {
  /** requests beyond the budget */
  over: number
  /** of the budget, not used by the end: charged for a killed proxy */
  unused: number
  admitted: number
  refused: number
  /** 503, while the database takes too long */
  unknown: number
  /** the proxy was killed before it answered */
  lost: number
}

interface Fleet {
  upstream: BillingUpstream
  store: OpenStore
  proxies: ProxyProcess[]
  start: () => Promise<ProxyProcess>
}

/** One by one, until a proxy refuses with all others idle. */
const useUp = async (proxies: ProxyProcess[], secret: string): Promise<void> => {
  for (const proxy of proxies) {
    await delay(SETTLED_MS)
    for (let status = 0; status !== REFUSED; status = await ask(proxy, secret))
      if (status === UNKNOWN) await delay(1_000)
  }
}

const killOne = async ({ proxies, upstream }: Fleet, before: number): Promise<void> => {
  while (upstream.billed() - before < IN_BUDGET / 4) await delay(2)
  await proxies[0]!.kill()
}

const playRound = async (fleet: Fleet, id: string): Promise<Round> => {
  const { upstream, store, proxies } = fleet
  const { key, secret } = keyOfRequests(id, IN_BUDGET, randomBytes(SECRET_BYTES))
  await store.keys.create(key)
  for (const proxy of proxies) await statusBecomes(proxy, secret, 200)
  const before = upstream.billed()
  const asked = askMany(proxies, secret, PARALLEL)
  if (args.kill) {
    await killOne(fleet, before)
    proxies[0] = await fleet.start()
  }
  const statuses = await asked
  await useUp(proxies, secret)
  const used = upstream.billed() - before
  return {
    over: Math.max(0, used - IN_BUDGET),
    unused: Math.max(0, IN_BUDGET - used),
    admitted: statuses.get(200) ?? 0,
    refused: statuses.get(REFUSED) ?? 0,
    unknown: statuses.get(UNKNOWN) ?? 0,
    lost: statuses.get(AWAY) ?? 0,
  }
}

interface Place {
  store: OpenStore
  env: Record<string, string>
}

interface Setting {
  cli: string
  folder: string
  /** of PostgreSQL */
  serverFolder: string
}

const openPlace = {
  sqlite: async ({ folder }: Setting): Promise<Place> => {
    const dataDir = join(folder, 'sqlite')
    return { store: await openSqliteStore({ dataDir }), env: { DATA_DIR: dataDir } }
  },
  postgres: async ({ folder, serverFolder }: Setting): Promise<Place> => {
    const running = await serverIn(serverFolder, process.pid)
    const server = optionsOf(running, 'postgres')
    const DATABASE_URL = `postgres://${USER}:${PASSWORD}@127.0.0.1:${running.port}/postgres`
    return {
      store: await openPostgresStore({ server, poolSize: 2 }),
      env: { DATA_DIR: join(folder, 'postgres'), DATABASE_URL },
    }
  },
}

type Kind = keyof typeof openPlace

const measure = async (kind: Kind, setting: Setting): Promise<Round[]> => {
  const { cli, folder } = setting
  const upstream = await startBillingUpstream()
  const { store, env } = await openPlace[kind](setting)
  const environment = { ...fleetEnvironment(folder, upstream), ...env }
  const start = (): Promise<ProxyProcess> =>
    startProxy(environment, { cli, flags: ['--no-worker'] })
  const proxies = await Promise.all([start(), start()])
  try {
    const rounds: Round[] = []
    for (let round = 0; round < args.rounds; round++)
      rounds.push(await playRound({ upstream, store, proxies, start }, `round-${round}`))
    return rounds
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.stop()))
    await store.close()
    upstream.close()
  }
}

/** The value is the worst round, not the median. */
const worst = (rounds: Round[]): Figure => {
  const figure = spread(
    rounds.map(({ over }) => over),
    'requests'
  )
  return withBar({ ...figure, value: figure.max! }, '<=', MAX_OVER)
}

const figuresOf = (kind: Kind, rounds: Round[]): Figures => {
  const named = Object.fromEntries(
    (['admitted', 'refused', 'unknown', 'lost', 'unused'] as const).map((name) => [
      `${name}_${kind}`,
      spread(
        rounds.map((round) => round[name]),
        'requests'
      ),
    ])
  )
  return { [`over_by_requests_${kind}`]: worst(rounds), ...named }
}

const PROGRAMS = ['src/cli.ts', 'src/store/thread/thread.ts']

const run = async (folder: string, serverFolder: string): Promise<Figures> => {
  const built = build('budgets', PROGRAMS)
  let figures: Figures = {}
  if (WHY_NO_SERVER !== null) console.error(`SQLite alone: ${WHY_NO_SERVER}`)
  const kinds: Kind[] = WHY_NO_SERVER === null ? ['sqlite', 'postgres'] : ['sqlite']
  for (const kind of kinds) {
    const rounds = await measure(kind, { cli: built.pathOf('src/cli.ts'), folder, serverFolder })
    figures = { ...figures, ...figuresOf(kind, rounds) }
  }
  return figures
}

await benchmark('budgets', args.out, (folder) =>
  // of its own: the server runs as another user
  inFolder('budgets-server', (serverFolder) => run(folder, serverFolder))
)
