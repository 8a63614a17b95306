/** One loop from approval to a rollback: its server, which is killed and started again, and its checks. */
import { cpSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import {
  borderOf,
  movedBorder,
  rolloutStageOf,
} from '../../../src/core/internalization/internalization.ts'
import { stageName } from '../../../src/core/rollout/stages.ts'
import { startProxy, type ProxyProcess } from '../../../test/kit/process/proxy-process.ts'
import type { ReplayUpstream } from '../../../test/kit/upstream/replay-upstream.ts'
import { allRecords, lostRecords } from '../checks.ts'
import { noteTree, stillRunning, type Noted } from '../engine-tree.ts'
import {
  answersAfterRollback,
  answersBeyondBorder,
  historyFaults,
  pairFaults,
  reportFaults,
  type Capitals,
} from './checks.ts'
import { environment, type Prepared } from './prepare.ts'
import { openStoreView, type HistoryRow, type StoreView } from './store-view.ts'
import type { Tally } from './tally.ts'
import { Traffic } from './traffic.ts'
import { kill, type Target } from './victims.ts'

export type Phase = 'approval' | 'canary 5 %' | 'canary 25 %' | 'full' | 'rollback' | 'retired'

/** As they ship. */
const CAPITALS: Capitals = { step: 20, rollback: 300 }
const POLL_MS = 10
const WAIT_MS = 180_000
const END_MS = 30_000
/** The log queue gathers for a twentieth of this before it writes. */
const FLUSH_MS = 1_000

export interface LoopDeps {
  prepared: Prepared
  upstream: ReplayUpstream
  cli: string
  tally: Tally
}

export class Loop {
  private readonly view: StoreView
  private readonly traffic: Traffic
  /** ids of the records that the store has shown */
  private readonly seen = new Set<string>()
  private readonly processes: Noted = new Map()
  private proxy: ProxyProcess | null = null
  private promotes = false

  constructor(
    private readonly deps: LoopDeps,
    private readonly dataDir: string
  ) {
    cpSync(deps.prepared.folder, dataDir, { recursive: true })
    this.view = openStoreView(dataDir, deps.prepared)
    this.traffic = new Traffic(deps.upstream, deps.prepared.nextNumber)
  }

  /** Starts the server and the clients. */
  async start(): Promise<void> {
    await this.startServer()
    this.traffic.start()
  }

  private async startServer(): Promise<void> {
    const { upstream, cli } = this.deps
    const startedAt = Date.now()
    // each loop is about the internalization that it begins with
    const env = environment(this.dataDir, upstream, { promotes: this.promotes, starts: false })
    this.proxy = await startProxy(env, { cli })
    this.traffic.to({ baseUrl: this.proxy.baseUrl, startedAt })
  }

  /** From now on the worker promotes by itself, for which the server is killed or stopped. */
  async promote(isKilled: boolean): Promise<void> {
    this.promotes = true
    if (isKilled) return this.kill('all')
    this.traffic.to(null)
    await this.proxy!.stop()
    await this.startServer()
  }

  /** From now on the upstream gives other answers. */
  change(): void {
    this.traffic.isChanged = true
  }

  async phase(): Promise<Phase> {
    const state = await this.view.state()
    const stage = rolloutStageOf(state)
    if (stage === null) return state.name === 'retired' ? 'retired' : 'approval'
    const isChanged = stage.share === 1 && this.traffic.isChanged
    return isChanged ? 'rollback' : (stageName(stage) as Phase)
  }

  /** Waits until one of the phases is reached. @throws Error when that takes too long */
  async reach(...phases: Phase[]): Promise<void> {
    await this.until(async () => phases.includes(await this.phase()), WAIT_MS)
  }

  /** Waits until the pairs are half of the evidence that a rollback takes, or it is done. */
  async nearRollback(): Promise<void> {
    const half = Math.log(CAPITALS.rollback) / 2
    await this.until(async () => {
      const report = await this.view.report()
      return (report?.evidence.rollback ?? 0) > half || (await this.phase()) === 'retired'
    }, WAIT_MS)
  }

  /** Waits until the pairs are half of the evidence that a wider border takes, or it is in force. */
  async nearBorder(): Promise<void> {
    const half = Math.log(CAPITALS.step) / 2
    await this.until(async () => {
      const { border } = (await this.view.report()) ?? {}
      const isMoved = borderOf(await this.view.state()) !== null
      return isMoved || (border?.next?.evidence.capital ?? 0) > half
    }, WAIT_MS)
  }

  private async until(isTrue: () => Promise<boolean>, waitMs: number): Promise<void> {
    const deadline = Date.now() + waitMs
    while (!(await isTrue())) {
      if (Date.now() > deadline) throw new Error(`stuck in the phase ${await this.phase()}`)
      await delay(POLL_MS)
    }
  }

  /** Kills, starts again what does not start by itself, and checks everything. */
  async kill(target: Target): Promise<void> {
    const proxy = this.proxy!
    noteTree(proxy.pid, this.processes)
    const phase = await this.phase()
    const killed = await kill(proxy, target)
    this.deps.tally.kills.push({ phase, target: killed })
    if (killed === 'all' || killed === 'server') {
      this.traffic.to(null)
      await this.startServer()
    }
    await this.check()
  }

  /** Without traffic, and with an engine that answers, every audit becomes a pair. */
  async settle(): Promise<void> {
    const { tally } = this.deps
    this.traffic.pause()
    await delay(FLUSH_MS)
    const waiting = async () =>
      (await this.view.pairs()).filter(({ outcome }) => outcome === null).length
    await this.until(async () => (await waiting()) === 0, END_MS).catch(() => {})
    tally.pairsUnjudged += await waiting()
    await this.check()
    this.traffic.resume()
  }

  private async check(): Promise<void> {
    const { tally } = this.deps
    tally.recordsLost += await lostRecords(this.proxy!, this.seen)
    const report = await this.view.report()
    const records = await allRecords(this.proxy!)
    const [history, rows] = [await this.view.history(), await this.view.pairs()]
    const { lost, twice } = pairFaults(records, rows, await this.view.dropped())
    tally.pairsLost += lost
    tally.pairsTwice += twice
    tally.evidenceFaults.push(
      ...(report === null ? [] : reportFaults(report, rows)),
      ...historyFaults(history, rows, CAPITALS)
    )
    const isRetired = history.at(-1)?.to.name === 'retired'
    if (isRetired && (await this.view.isRouted())) tally.routesAfterRollback += 1
  }

  /** The last checks, of the whole loop. */
  async finish(): Promise<void> {
    const { tally } = this.deps
    await this.traffic.stop()
    await delay(FLUSH_MS)
    await this.check()
    await this.countAnswers()
    await this.proxy!.stop()
    this.view.close()
    const left = async () => stillRunning(this.processes).length === 0
    await this.until(left, END_MS).catch(() => {})
    tally.processesLeftBehind += stillRunning(this.processes).length
  }

  private async countAnswers(): Promise<void> {
    const { tally, prepared } = this.deps
    const { answers } = this.traffic
    const history = await this.view.history()
    const last = history.at(-1)!
    const isRolledBack = last.to.name === 'retired'
    tally.ends.push(isRolledBack ? 'rolled back' : last.to.name)
    const late = answersAfterRollback(answers, prepared.lora, isRolledBack ? last.at : null)
    tally.answers += answers.length
    tally.answeredByLora += answers.filter(({ route }) => route === 'answered').length
    tally.answersAfterRollback += late.forbidden
    tally.latestAnswerMs = Math.max(tally.latestAnswerMs, late.latestMs)
    await this.countRecords(history)
  }

  private async countRecords(history: HistoryRow[]): Promise<void> {
    const { tally, prepared } = this.deps
    const records = await allRecords(this.proxy!, { bodies: true })
    const rows = await this.view.pairs()
    tally.bordersMoved += history.filter((entry) => movedBorder(entry) !== null).length
    tally.answersBeyondBorder += answersBeyondBorder(records, history, prepared.threshold)
    const { audited, withoutRecord } = pairFaults(records, rows, await this.view.dropped())
    tally.audited += audited
    tally.judged += rows.filter(({ outcome }) => outcome !== null).length
    tally.pairsWithoutRecord += withoutRecord
    tally.recordsAcknowledged += this.seen.size
    const numbers = records.map(({ request }) => /Order (\d+):/.exec(request ?? '')?.[1] ?? '')
    const logged = new Set(numbers)
    tally.recordsTwice += numbers.length - logged.size
    tally.answersUnlogged += this.traffic.answers.filter(
      ({ number }) => !logged.has(String(number))
    ).length
  }

  /** After an error. */
  async abandon(): Promise<void> {
    await this.traffic.stop()
    await this.proxy?.kill()
  }
}
