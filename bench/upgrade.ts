/**
 * Whether an upgrade costs a request: two proxies behind the nginx of `deploy/nginx.conf`, over one PostgreSQL,
 * are stopped and started again as a next version, one after the other, while clients ask for plain and
 * streamed answers. Each next version has one additive migration more.
 *
 *   npm run bench:upgrade -- [--rounds 3] [--clients 24] [--idle-seconds 7] [--out file.json]
 */
import { chmodSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { PASSWORD, serverIn, USER, WHY_NO_SERVER } from '../test/kit/postgres/postgres-process.ts'
import { build } from '../test/kit/process/build.ts'
import { freePort } from '../test/kit/process/free-port.ts'
import { makeNewerProgram } from './harness/newer-program.ts'
import { startNginx, WHY_NO_NGINX } from '../test/kit/process/nginx.ts'
import { startProxy, type ProxyProcess } from '../test/kit/process/proxy-process.ts'
import { type Figures, zero } from '../test/kit/report.ts'
import { startLoad, type Load } from './upgrade/load.ts'
import { startUpstream } from './upgrade/upstream.ts'
import { readOptions } from './harness/options.ts'
import { benchmark } from './harness/measure.ts'
import { changedConstants } from '../test/kit/process/loop-settings.ts'

const args = readOptions({
  rounds: 3,
  clients: 24,
  // DRAIN_IDLE_SECONDS, as compose.yaml has it
  idleSeconds: 7,
})

/** under load, before the first stop and after each start */
const SETTLE_MS = 3_000
const STOP_MS = 330_000

/** What a next version may bring: a column of the log's largest table, a table and an index. */
const migrationOf = (round: number): string => `-- additive
alter table promptintern.records add column next_${round} text;
--> statement-breakpoint
create table promptintern.next_${round} (id bigint primary key);
--> statement-breakpoint
create index next_index_${round} on only promptintern.records (next_${round});`

const versions = (folder: string, rounds: number): string[] => {
  const built = build('upgrade', ['src/cli.ts', 'src/store/thread/thread.ts'])
  const cli = built.pathOf('src/cli.ts')
  return Array.from({ length: rounds + 1 }, (_, version) => {
    if (version === 0) return cli
    const migrations = Array.from({ length: version }, (_none, index) => migrationOf(index + 1))
    return makeNewerProgram(dirname(dirname(cli)), join(folder, `version-${version}`), migrations)
  })
}

interface Setting {
  folder: string
  databaseUrl: string
  upstreamUrl: string
}

interface Upgraded {
  load: Load
  /** from the stop's signal until the next version was ready, seconds */
  replacedSeconds: number[]
  /** largest of a proxy, MiB */
  memory: number
}

/** @param programs command line of each version */
const upgradeUnderLoad = async (setting: Setting, programs: string[]): Promise<Upgraded> => {
  const ports = [await freePort(), await freePort()]
  const start = (index: number, cli: string): Promise<ProxyProcess> =>
    startProxy(
      {
        DATA_DIR: join(setting.folder, `data-${index}`),
        DATABASE_URL: setting.databaseUrl,
        UPSTREAM_BASE_URL: setting.upstreamUrl,
        TENANT_SECRET: 'secret-of-the-benchmark',
        DRAIN_IDLE_SECONDS: String(args.idleSeconds),
        // a machine without a free core would shed requests, and cut answers after a minute
        ...changedConstants({ shedDelayMs: 0 }),
        DRAIN_SECONDS: '300',
      },
      { cli, port: ports[index]!, flags: ['--no-worker'] }
    )
  const proxies = await Promise.all([start(0, programs[0]!), start(1, programs[0]!)])
  const nginx = await startNginx(setting.folder, ports)
  const [load, endLoad] = startLoad(nginx.baseUrl, args.clients)
  const replacedSeconds: number[] = []
  let memory = 0
  try {
    await delay(SETTLE_MS)
    for (const cli of programs.slice(1))
      for (const index of [0, 1]) {
        const begun = performance.now()
        await proxies[index]!.stop(STOP_MS)
        memory = Math.max(memory, proxies[index]!.peakMiB())
        proxies[index] = await start(index, cli)
        replacedSeconds.push((performance.now() - begun) / 1000)
        await delay(SETTLE_MS)
      }
  } finally {
    await endLoad()
    await nginx.stop()
    await Promise.all(proxies.map((proxy) => proxy.stop(STOP_MS)))
  }
  return { load, replacedSeconds, memory }
}

const read = async (connectionString: string, query: string): Promise<number> => {
  const client = new Client({ connectionString, ssl: false })
  await client.connect()
  const { rows } = await client.query<{ number: number }>(query)
  await client.end()
  return rows[0]!.number
}

const run = async (folder: string): Promise<Figures> => {
  // nginx's own user reads in it
  chmodSync(folder, 0o755)
  const rounds = args.rounds
  const { port } = await serverIn(folder, process.pid)
  const databaseUrl = `postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/postgres`
  const upstream = await startUpstream()
  const setting = { folder, databaseUrl, upstreamUrl: upstream.baseUrl }
  const programs = versions(folder, rounds)
  const { load, replacedSeconds, memory } = await upgradeUnderLoad(setting, programs)
  upstream.close()
  for (const line of [...load.failed, ...load.cut].slice(0, 20)) console.error(line)
  const logged = await read(databaseUrl, 'select count(*)::int as number from promptintern.records')
  const applied = await read(
    databaseUrl,
    `select count(*)::int as number from promptintern.migrations where works_from < created_at`
  )
  const sorted = load.headMs.toSorted((one, other) => one - other)
  return {
    failed_requests: zero(load.failed.length, 'requests'),
    streams_cut: zero(load.cut.length, 'answers'),
    repeated_requests: zero(upstream.repeated(), 'requests'),
    records_missing: zero(load.asked - logged, 'records'),
    requests: { value: load.asked, unit: 'requests' },
    proxies_replaced: { value: replacedSeconds.length, unit: 'processes' },
    additive_migrations: { value: applied, unit: 'migrations' },
    proxy_memory: { value: memory, unit: 'MiB' },
    longest_replacement: { value: Math.max(...replacedSeconds), unit: 's' },
    head_p50: { value: sorted[sorted.length >> 1]!, unit: 'ms' },
    head_p99: { value: sorted[Math.floor(sorted.length * 0.99)]!, unit: 'ms' },
    head_max: { value: sorted.at(-1)!, unit: 'ms' },
  }
}

const missing = WHY_NO_SERVER ?? WHY_NO_NGINX
if (missing !== null) console.log(`skipped: ${missing}`)
else await benchmark('upgrade', args.out, run)
