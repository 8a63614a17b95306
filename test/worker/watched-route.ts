/** A live route with its worker, and a log to which audited requests are added. */
import type { ArmFigures } from '../../src/core/gate/gate.ts'
import {
  winningLora,
  withheldBy,
  type Internalization,
  type InternalizationState,
} from '../../src/core/internalization/internalization.ts'
import type { Thumb } from '../../src/core/log/feedback.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { REFUSED_AFTER_OURS } from '../../src/core/rollout/pair.ts'
import type { RolloutSettings } from '../../src/core/rollout/stages.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import { readRolloutReport } from '../../src/lifecycle/rollout-report.ts'
import type { WorkerDeps } from '../../src/worker/deps.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { exampleOutcome } from '../kit/records/examples.ts'
import { orderRecord } from '../kit/records/paint-orders.ts'
import { useWorkerHarness, type WorkerHarness } from './harness.ts'

export class Watched {
  readonly id: string
  readonly lora: string
  private readonly templateVersion: string
  private next = 0

  /** @param recordOf the traffic that is audited */
  constructor(
    readonly harness: WorkerHarness,
    readonly worker: Worker,
    live: Internalization,
    private readonly recordOf: (number: number) => ExchangeRecord = (number: number) =>
      orderRecord(number % 60)
  ) {
    this.id = live.id
    this.lora = winningLora(live)!
    this.templateVersion = live.templateVersion
  }

  /** @param change of the upstream's answer @param auditPart at which they were drawn */
  async audit(
    count: number,
    change: Partial<ExchangeRecord> = {},
    auditPart = 1
  ): Promise<string[]> {
    const records = Array.from({ length: count }, (): ExchangeRecord => {
      const number = this.next++
      return {
        ...this.recordOf(number),
        id: `audit-${number}`,
        at: this.harness.now,
        route: {
          templateVersion: this.templateVersion,
          lora: this.lora,
          outcome: 'skipped',
          reason: 'audit',
          confidence: null,
          promptTokensSaved: 0,
          auditPart,
        },
        ...change,
      }
    })
    await this.harness.log(records)
    return records.map(({ id }) => id)
  }

  /** Requests that the upstream refused after an answer of the lora. */
  async refuse(count: number): Promise<string[]> {
    const { templateVersion, lora } = this
    const reason = REFUSED_AFTER_OURS
    const route = {
      ...exampleOutcome({ templateVersion, lora }),
      outcome: 'skipped' as const,
      reason,
    }
    return this.audit(count, { route, status: 400, response: '{"error":{"message":"no"}}' })
  }

  /** Records on the lora's side. */
  async answer(count: number): Promise<string[]> {
    const { templateVersion, lora } = this
    return this.audit(count, { route: exampleOutcome({ templateVersion, lora }) })
  }

  /** An application's feedback on records, in their order; null takes it back. */
  async rate(records: readonly string[], rating: Thumb | null): Promise<void> {
    const { feedback } = this.harness.store
    for (const recordId of records)
      if (rating === null) await feedback.remove(recordId, 'application', null)
      else
        await feedback.put(
          { recordId, by: 'application', rating, comment: null, at: this.harness.now },
          null
        )
  }

  async judged(count: number): Promise<void> {
    await this.harness.runUntil(this.worker, async () => (await this.count()) >= count)
    await this.harness.round(this.worker)
  }

  /** Until it is live no longer. */
  ended = () => this.harness.runUntil(this.worker, async () => (await this.state()).name !== 'live')

  /** @returns the first state that withholds a part or is no longer live */
  async withheldOrEnded(): Promise<InternalizationState> {
    await this.harness.runUntil(this.worker, async () => {
      const state = await this.state()
      return withheldBy(state).length > 0 || state.name !== 'live'
    })
    return this.state()
  }

  async count(): Promise<number> {
    return (await this.pairs()).length
  }

  pairs = () => this.harness.store.pairs.list({ lora: this.lora, limit: 10_000 })
  /** what programs read of the log's lines */
  events = (name: string) =>
    this.harness.events.map(({ data }) => data).filter((data) => data?.['event'] === name)
  report = async () => (await readRolloutReport(this.harness.store, this.id))!
  state = async () => (await this.harness.store.internalizations.get(this.id))!.state
  routes = () => this.harness.store.routes.list()
}

/** With other figures of the arm that won, and without a baseline, which would be that of the threshold before. */
const withArm = (row: Internalization, changed: Partial<ArmFigures>): Internalization => {
  const { baseline: _baseline, ...verdict } = row.verdict!
  const winner = { ...verdict.arms[verdict.arm]!, ...changed }
  return { ...row, verdict: { ...verdict, arms: verdict.arms.with(verdict.arm, winner) } }
}

/**
 * For a test file: makes a route live, in the first stage of a rollout; it has no successor.
 * @param records that it is made from @param arm figures of the verdict
 */
export const useWatchedRoute = (
  records?: ExchangeRecord[]
): ((
  rollout: RolloutSettings,
  changes?: Partial<WorkerDeps>,
  arm?: Partial<ArmFigures>
) => Promise<Watched>) => {
  const open = useWorkerHarness(records)
  return async (rollout, changes = {}, arm) => {
    const harness = await open({ from: 'approval' })
    const newest = await harness.newest()
    const row = arm === undefined ? newest : withArm(newest, arm)
    const live = await goLive(harness.store, row, { by: 'admin', now: harness.now, rollout })
    const worker = await harness.worker(harness.deps({ rollout, ...changes }, { auto: false }))
    return new Watched(harness, worker, live)
  }
}
