/** A sender of events with its receiver, on a clock that only the test moves; each test has its own. */
import { lossRisen } from '../../src/core/internalization/change-reason.ts'
import type { Internalization } from '../../src/core/internalization/internalization.ts'
import type { EvidenceFigures } from '../../src/core/rollout/stages.ts'
import { createFaultLog, noFaults, WORKER_FAULTS, type FaultLine } from '../../src/fault-log.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import type { RolloutReport } from '../../src/lifecycle/rollout-report.ts'
import type { Store } from '../../src/store/store.ts'
import type { WorkerDeps, WorkerEvent } from '../../src/worker/deps.ts'
import { openWebhook, type WebhookSender } from '../../src/worker/webhook/sender.ts'
import { exampleApproved, exampleTemplate } from '../kit/records/examples.ts'
import { it as base } from '../kit/store/local-store.ts'
import { AT_ONCE, exampleReport, NO_PAIRS_YET } from '../kit/records/rollout.ts'
import { WEBHOOK_SECRET, WebhookReceiver } from '../kit/upstream/webhook-receiver.ts'

export const SECOND_MS = 1_000
/** how long a condition is awaited that other tasks of the process bring about */
export const PATIENCE = { timeout: 30_000 }
export const DAY_MS = 86_400_000
export const ID = 'internalization-1'
/** Text of a person or of the traffic, which no event may contain. */
export const TEXT = 'customer-of-gold'

export const EVIDENCE: EvidenceFigures = {
  pairs: 160,
  losses: 21,
  credits: 0,
  interval: [0.08, 0.201],
  margin: 0.05,
  proven: 0.039,
  least: 0,
  rollback: 5.9,
  drift: 7.2,
  step: -3,
  stagePairs: 160,
  roseAt: null,
  sinceRise: { pairs: 160, losses: 21, credits: 0 },
}

/** The signal of a worker that is not stopped. */
export const { signal } = new AbortController()

export class WebhookHarness {
  readonly lines: FaultLine[] = []
  readonly logged: WorkerEvent[] = []
  now = 1_800_000_000_000

  constructor(
    readonly store: Store,
    readonly receiver: WebhookReceiver
  ) {}

  /** null: messages for Slack */
  secret: string | null = WEBHOOK_SECRET

  get webhook() {
    return { url: this.receiver.url, secret: this.secret, fetch }
  }

  /** Message of each fault. */
  get faults(): string[] {
    return this.lines.map(({ causes }) => causes[0]!.message)
  }

  get fault() {
    return createFaultLog({
      write: (line) => void this.lines.push(line),
      counts: noFaults(WORKER_FAULTS),
      now: () => this.now,
    })
  }

  /** The sender of a worker; each call is one more start of a worker. */
  start(
    changes: Partial<Pick<WorkerDeps, 'store' | 'webhook' | 'sleep'>> = {}
  ): Promise<WebhookSender | null> {
    return openWebhook({
      store: this.store,
      webhook: this.webhook,
      now: () => this.now,
      // a request may take for ever
      sleep: () => new Promise<void>(() => {}),
      log: (event) => void this.logged.push(event),
      fault: this.fault,
      ...changes,
    })
  }

  context = (by: string) => ({ by, now: this.now, rollout: AT_ONCE })

  /** Waits for approval, which is the first event. */
  async approved(): Promise<Internalization> {
    const { store } = this
    await store.templates.upsert([exampleTemplate()])
    const row = exampleApproved(ID, { createdAt: this.now })
    await store.internalizations.create(row)
    return row
  }

  /** The first two events. */
  async live(): Promise<Internalization> {
    return goLive(this.store, await this.approved(), this.context('cli'))
  }

  drifted = (driftedAt: number | null): RolloutReport =>
    exampleReport({
      at: this.now,
      stage: { share: 1, before: { pairs: 0, losses: 0, credits: 0 }, began: 0 },
      evidence: EVIDENCE,
      drift: driftedAt === null ? null : lossRisen(EVIDENCE),
      outcomes: { ...NO_PAIRS_YET, agreed: 139, disagreed: 21 },
      waiting: 0,
      driftedAt,
    })
}

/** Attempts until nothing is due. */
export const settle = async (sender: WebhookSender | null): Promise<void> => {
  while (await sender!.step(signal));
}

/** `told` has a receiver and the store of the test. */
export const it = base.extend<{ told: WebhookHarness }>({
  told: async ({ store }, use) => {
    const receiver = await WebhookReceiver.start()
    await use(new WebhookHarness(store, receiver))
    receiver.close()
  },
})
