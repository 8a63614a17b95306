/**
 * Two proxies, two workers and an engine, each a process with a data directory of its own, as on five machines.
 * Two of their clocks are wrong by hours.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { startFakeEngine } from '../../../adapters/fake/index.ts'
import {
  processTree,
  startProxy,
  type ProxyProcess,
} from '../../../test/kit/process/proxy-process.ts'
import { patiently } from './cluster.ts'

const HOUR_MS = 3_600_000
/** of each proxy, and of each worker */
const SKEWS_MS = [0, -2 * HOUR_MS]
const WORKER_SKEWS_MS = [3 * HOUR_MS, 0]

export interface FleetOptions {
  cli: string
  env: Record<string, string>
}

/** Loaded before the program: a clock that is wrong. */
const SKEW = `const skew = Number(process.env.CLOCK_SKEW_MS)
const RealDate = Date
const now = RealDate.now
globalThis.Date = class extends RealDate {
  constructor(...parts) { parts.length === 0 ? super(now() + skew) : super(...parts) }
  static now() { return now() + skew }
}
`

const kill = (pid: number, signal: NodeJS.Signals): void => {
  for (const one of processTree(pid).reverse()) {
    try {
      process.kill(one, signal)
    } catch {
      // it was gone already
    }
  }
}

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()))

export class Fleet {
  readonly folder = mkdtempSync(join(tmpdir(), 'promptintern-fleet-'))
  proxies: ProxyProcess[] = []
  private workers: ChildProcess[] = []
  private engine: Awaited<ReturnType<typeof startFakeEngine>> | null = null

  private constructor(private readonly options: FleetOptions) {
    writeFileSync(join(this.folder, 'skew.mjs'), SKEW)
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(options)
    fleet.engine = await startFakeEngine({ dataDir: fleet.engineDir, onFault: () => {} })
    // one after another: the first one makes the tables
    for (const place of [0, 1]) fleet.proxies[place] = await fleet.startProxy(place)
    for (const place of [0, 1]) fleet.startWorker(place)
    return fleet
  }

  get engineDir(): string {
    return join(this.folder, 'engine')
  }

  async restartProxy(place: number): Promise<void> {
    await this.proxies[place]!.kill()
    this.proxies[place] = await this.startProxy(place)
  }

  async restartWorker(place: number): Promise<void> {
    const worker = this.workers[place]!
    kill(worker.pid!, 'SIGKILL')
    await ended(worker)
    this.startWorker(place)
  }

  /** It stands still, as its machine does that sleeps. */
  stopWorker(place: number): void {
    kill(this.workers[place]!.pid!, 'SIGSTOP')
  }

  wakeWorker(place: number): void {
    kill(this.workers[place]!.pid!, 'SIGCONT')
  }

  /** Those that ended by themselves, as on a machine with a supervisor. */
  reviveWorkers(): void {
    for (const [place, { exitCode, signalCode }] of this.workers.entries())
      if (exitCode !== null || signalCode !== null) this.startWorker(place)
  }

  async stop(): Promise<void> {
    for (const worker of this.workers) {
      kill(worker.pid!, 'SIGKILL')
      await ended(worker)
    }
    for (const proxy of this.proxies) await proxy.kill()
    await this.engine?.close()
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }

  private envOf(name: string, skewMs: number): Record<string, string> {
    const dataDir = join(this.folder, name)
    mkdirSync(dataDir, { recursive: true })
    return {
      ...this.options.env,
      DATA_DIR: dataDir,
      ENGINE: 'http',
      ENGINE_URL: this.engine!.baseUrl,
      ENGINE_TOKEN: this.engine!.token!,
      CLOCK_SKEW_MS: String(skewMs),
      NODE_OPTIONS: `--import=${pathToFileURL(join(this.folder, 'skew.mjs')).href}`,
    }
  }

  private startProxy(place: number): Promise<ProxyProcess> {
    const env = this.envOf(`proxy-${place}`, SKEWS_MS[place]!)
    // while the database is away it does not start, and a supervisor tries again
    return patiently(() =>
      startProxy(env, { cli: this.options.cli, flags: ['--no-worker'], onLog: () => {} })
    )
  }

  private startWorker(place: number): void {
    const env = { ...process.env, ...this.envOf(`worker-${place}`, WORKER_SKEWS_MS[place]!) }
    this.workers[place] = spawn(process.execPath, [this.options.cli, 'worker'], {
      env,
      stdio: 'ignore',
    })
  }
}
