/**
 * Kills the GPU engine's processes with SIGKILL at random moments of the loop: the trainer, the
 * server, the stand-in for vLLM and its leash. A dead server is started again on
 * its port and its folder, as a supervisor does; the proxy lives on. Counts jobs without an end,
 * loras that are served and not whole, records and answers lost, and processes left behind.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createEngine } from '../../src/engine/client.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { isUnfinished } from '../../src/openai/fine-tuning.ts'
import { seededRandom } from '../../src/random.ts'
import { fromRoot } from '../../test/kit/process/from-root.ts'
import { orderOf, shelfOf } from '../../test/kit/traffic/shelf-orders.ts'
import {
  buildGpuPrograms,
  missingForTrainer,
  ofThisMachine,
  startGpuProcess,
  trainerLoadMs,
  type GpuProcess,
} from '../../test/kit/process/gpu-process.ts'
import { startProxy, type ProxyProcess } from '../../test/kit/process/proxy-process.ts'
import {
  startReplayUpstream,
  type ReplayUpstream,
} from '../../test/kit/upstream/replay-upstream.ts'
import { sendAll } from '../../test/kit/traffic/send-all.ts'
import type { Figures } from '../../test/kit/report.ts'
import { lostRecords, noteRecords } from './checks.ts'
import {
  endOf,
  jobsOf,
  stagesTrainedTwice,
  waitForEnd,
} from '../../test/kit/process/internalizations.ts'
import { noteTree, stillRunning, victimsOf, type Noted, type Victim } from './engine-tree.ts'
import { inFolder } from '../harness/measure.ts'
import { damagedLoras } from './loras.ts'
import type { CrashOptions } from './server.ts'
import { emptyTally, figuresOf } from './tally.ts'
import { loopSettings } from '../../test/kit/process/loop-settings.ts'

const ROWS = 120
const SPARE_ROWS = 20
/** A stage of the tiny model takes ten to thirty seconds. */
const MAX_LIFE_MS = 20_000
/**
 * A trainer that is always killed while it loads torch gets nowhere, and its job fails after the tenth time:
 * on a busy machine that takes as long as a life.
 */
const LOADS_A_LIFE = 4
const FINISH_MS = 600_000
/** asked while a lora is live and the server dies */
const LIVE_REQUESTS = 40

/** From empty directories to the internalization's end. */
interface Loop {
  engineDir: string
  engine: GpuProcess
  client: Engine
  proxy: ProxyProcess
  /** ids of the records that the store has shown */
  seen: Set<string>
  /** of the engine, before each kill */
  processes: Noted
}

const proxyEnvironment = (
  dataDir: string,
  upstream: ReplayUpstream,
  engine: GpuProcess
): Record<string, string> => ({
  ...loopSettings({
    promotes: true,
    minSessions: 60,
    trainRows: ROWS,
    constants: { stages: 2, examples: 0 },
  }),
  DATA_DIR: dataDir,
  UPSTREAM_BASE_URL: upstream.baseUrl,
  ENGINE: 'http',
  ENGINE_URL: engine.baseUrl,
  ENGINE_TOKEN: engine.token,
  ARMS: 'schedule',
  // the engine is away again and again, which is said each time
  LOG_LEVEL: 'silent',
})

/** Loops of one run, one after another; each begins with an empty directory. */
class GpuLoops {
  private readonly random: () => number
  private readonly maxLifeMs: number
  private readonly tally = emptyTally()
  private next = 0

  constructor(
    private readonly options: CrashOptions,
    private readonly upstream: ReplayUpstream,
    private readonly folder: string
  ) {
    this.random = seededRandom(options.seed)
    this.maxLifeMs = Math.max(MAX_LIFE_MS, LOADS_A_LIFE * trainerLoadMs())
  }

  async play(): Promise<Figures> {
    let loop: Loop | null = null
    try {
      while (this.isMissingKills()) {
        loop = await this.start()
        await Promise.all([this.ask(loop, 2 * ROWS + SPARE_ROWS), this.killUntilEnd(loop)])
        await this.finish(loop)
        loop = null
      }
      this.options.progress.stop()
      return figuresOf(this.tally)
    } finally {
      await loop?.proxy.kill()
      await loop?.engine.kill()
    }
  }

  private isMissingKills(): boolean {
    return this.tally.kills.length < this.options.rounds
  }

  private startEngine(engineDir: string, port = 0): Promise<GpuProcess> {
    return startGpuProcess({
      modelPath: this.options.model ?? fromRoot('models/tiny'),
      dataDir: engineDir,
      port,
      // so often that most restarts find one
      env: { ENGINE_CHECKPOINT_SECONDS: '1', LOG_LEVEL: 'silent', ...ofThisMachine() },
    })
  }

  private async start(): Promise<Loop> {
    const name = `loop-${this.tally.ends.length}`
    const engineDir = join(this.folder, name, 'engine')
    const engine = await this.startEngine(engineDir)
    const { baseUrl, token } = engine
    const proxyDir = join(this.folder, name, 'proxy')
    const proxy = await startProxy(proxyEnvironment(proxyDir, this.upstream, engine))
    const client = createEngine({ name: 'gpu', baseUrl, token, fetch })
    return { engineDir, engine, client, proxy, seen: new Set(), processes: new Map() }
  }

  private async ask({ proxy, seen }: Loop, count: number): Promise<void> {
    const numbers = Array.from({ length: count }, () => this.next++)
    for (const number of numbers) this.upstream.add(orderOf(number).messages, shelfOf(number), 120)
    await sendAll(proxy.baseUrl, numbers.map(orderOf), { concurrency: 4 }).catch(() => {
      this.tally.unansweredBatches += 1
    })
    await noteRecords(proxy, seen)
  }

  private async checkLoras({ engineDir, client }: Loop): Promise<void> {
    this.tally.damagedLoras += damagedLoras(engineDir, await client.models()).length
  }

  /** Every second kill, where there is a choice, is not the server's. */
  private choose(victims: Map<Victim, number>): Victim {
    const others = [...victims.keys()].filter((victim) => victim !== 'server')
    if (others.length === 0 || this.random() < 0.5) return 'server'
    return others[Math.floor(this.random() * others.length)]!
  }

  private async kill(loop: Loop): Promise<void> {
    const { rounds, progress } = this.options
    noteTree(loop.engine.pid, loop.processes)
    const victims = victimsOf(loop.engine.pid)
    const victim = this.choose(victims)
    this.tally.kills.push(victim)
    progress.update('kills', this.tally.kills.length, rounds, victim)
    if (victim !== 'server') {
      process.kill(victims.get(victim)!, 'SIGKILL')
      return
    }
    await loop.engine.kill()
    loop.engine = await this.startEngine(loop.engineDir, loop.engine.port)
    await this.checkLoras(loop)
  }

  private async killUntilEnd(loop: Loop): Promise<void> {
    while (this.isMissingKills()) {
      await delay(this.random() * this.maxLifeMs)
      if ((await endOf(loop.proxy)) !== null) return
      await this.kill(loop)
    }
  }

  private async finish(loop: Loop): Promise<void> {
    const { tally } = this
    const end = await waitForEnd(loop.proxy, FINISH_MS)
    // no answer may be lost when the engine of a live lora dies
    if (end === 'live' && this.isMissingKills())
      await Promise.all([this.ask(loop, LIVE_REQUESTS), this.kill(loop)])
    await this.checkLoras(loop)
    while ((await loop.client.findJobs({})).some(isUnfinished)) await delay(500)
    tally.recordsLost += await lostRecords(loop.proxy, loop.seen)
    tally.recordsAcknowledged += loop.seen.size
    await loop.proxy.stop()
    noteTree(loop.engine.pid, loop.processes)
    await loop.engine.close()
    const jobs = jobsOf(loop.engineDir)
    tally.jobs.push(...jobs.map(({ status }) => status))
    tally.stagesTrainedTwice += stagesTrainedTwice(jobs)
    tally.processesLeftBehind += stillRunning(loop.processes).length
    tally.ends.push(end)
  }
}

/** @throws Error where the engine cannot run */
export const crashGpu = async (options: CrashOptions): Promise<Figures> => {
  const missing = missingForTrainer()
  if (missing !== null) throw new Error(missing)
  buildGpuPrograms()
  const upstream = await startReplayUpstream()
  try {
    return await inFolder('crash', (folder) => new GpuLoops(options, upstream, folder).play())
  } finally {
    await upstream.close()
  }
}
