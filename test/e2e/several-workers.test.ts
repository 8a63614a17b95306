/**
 * Two real workers on PostgreSQL. One stands still in the middle of its work, as on a machine that sleeps; the
 * other one takes over and ends the work, and the first one changes nothing when it wakes up.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startFakeEngine } from '../../adapters/fake/index.ts'
import {
  newestInternalization,
  jobsOf,
  stagesTrainedTwice,
  waitForEnd,
} from '../kit/process/internalizations.ts'
import { LOOP_REQUESTS, loopSettings } from '../kit/process/loop-settings.ts'
import { orderOf, shelfOf } from '../kit/traffic/shelf-orders.ts'
import { startProxy, type ProxyProcess } from '../kit/process/proxy-process.ts'
import { startReplayUpstream, type ReplayUpstream } from '../kit/upstream/replay-upstream.ts'
import { sendAll } from '../kit/traffic/send-all.ts'
import type { DatabaseServer } from '../../src/config/database-url.ts'
import { CLI } from '../kit/process/built.ts'
import {
  createDatabase,
  describePostgres,
  execute,
  testServer,
  urlOf,
} from '../kit/postgres/postgres.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const WAIT_MS = 60_000
/** the first lease must end before the second worker begins */
const TEST_MS = 3 * WAIT_MS

interface Held {
  name: string
  epoch: number
  holder: string
}

describePostgres('two workers', () => {
  const folder = sharedFolder()
  const workers: ChildProcess[] = []
  let database: DatabaseServer
  let env: Record<string, string>
  let upstream: ReplayUpstream
  let engine: Awaited<ReturnType<typeof startFakeEngine>>
  let proxy: ProxyProcess

  const dataDir = (name: string): string => {
    const path = join(folder, name)
    mkdirSync(path, { recursive: true })
    return path
  }

  const startWorker = (name: string): { worker: ChildProcess; said: () => string } => {
    let said = ''
    const worker = spawn(process.execPath, [CLI, 'worker'], {
      env: { ...process.env, ...env, DATA_DIR: dataDir(name) },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    worker.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text))
    workers.push(worker)
    return { worker, said: () => said }
  }

  const leases = async (): Promise<Held[]> =>
    (await execute(
      database,
      'select name, epoch, holder from promptintern.leases order by name'
    )) as unknown as Held[]

  const leaseOfWork = async (): Promise<Held> => {
    for (const deadline = Date.now() + WAIT_MS; ; await delay(5)) {
      const found = (await leases()).find(({ name }) => name.startsWith('internalization:'))
      if (found !== undefined) return found
      if (Date.now() > deadline) throw new Error('no worker began the work')
    }
  }

  beforeAll(async () => {
    database = await createDatabase()
    upstream = await startReplayUpstream()
    const engineDir = dataDir('engine')
    engine = await startFakeEngine({ dataDir: engineDir, onFault: () => {} })
    env = {
      ...loopSettings({ promotes: true, minSessions: 60 }),
      LOG_LEVEL: 'warn',
      DATABASE_URL: urlOf(await testServer(), database.database!),
      UPSTREAM_BASE_URL: upstream.baseUrl,
      TENANT_SECRET: 'of-all-machines',
      ENGINE: 'http',
      ENGINE_URL: engine.baseUrl,
      ENGINE_TOKEN: engine.token!,
    }
    const proxyEnv = { ...env, DATA_DIR: dataDir('proxy') }
    proxy = await startProxy(proxyEnv, { cli: CLI, flags: ['--no-worker'] })
    const numbers = Array.from({ length: LOOP_REQUESTS }, (_, number) => number)
    for (const number of numbers) upstream.add(orderOf(number).messages, shelfOf(number), 120)
    await sendAll(proxy.baseUrl, numbers.map(orderOf), { concurrency: 8 })
  })

  afterAll(async () => {
    for (const worker of workers) worker.kill('SIGKILL')
    await proxy?.stop()
    await engine?.close()
    await upstream?.close()
  })

  it(
    'share the work: one that stood still is followed, and writes nothing afterwards',
    async () => {
      const first = startWorker('first')
      const before = await leaseOfWork()
      first.worker.kill('SIGSTOP')
      const second = startWorker('second')
      expect(await waitForEnd(proxy, WAIT_MS)).toBe('live')
      const live = await newestInternalization(proxy)

      first.worker.kill('SIGCONT')
      const leftOff = 'another worker has taken over this work'
      await expect.poll(first.said, { timeout: WAIT_MS }).toContain(leftOff)
      // time enough for a write
      await delay(2_000)
      expect(await newestInternalization(proxy)).toEqual(live)
      expect(stagesTrainedTwice(jobsOf(join(folder, 'engine')))).toBe(0)
      const after = await leases()
      expect(new Set(after.map(({ holder }) => holder)).has(before.holder)).toBe(false)
      expect([first.worker.exitCode, second.worker.exitCode]).toEqual([null, null])
      const passedOn = first.said().match(/(?<="lease":")[^"]+(?=","msg":"another worker)/g)!
      expect(passedOn.toSorted()).toEqual([...new Set(passedOn)].toSorted())
    },
    TEST_MS
  )
})
