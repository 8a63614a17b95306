/** Decides how many of the audits are made, from their cost, which the store knows, and the engine's queue. */
import {
  nextLoadPart,
  nextMoneyPart,
  type AuditMoney,
  type LoadPart,
  type MoneyPart,
} from '../../core/rollout/audit-part.ts'
import { DAY_MS, dayOf } from '../../core/days.ts'
import type { RolloutSettings } from '../../core/rollout/stages.ts'
import { spentToday } from '../../lifecycle/rollout-report.ts'
import type { Store } from '../../store/store.ts'

interface AuditPartsDeps {
  store: Pick<Store, 'pairs'>
  rollout: Pick<RolloutSettings, 'auditUsdPerDay'>
  now: () => number
}

const readMoney = async ({ pairs }: Pick<Store, 'pairs'>, limitUsd: number, now: number) => {
  const midnight = dayOf(now) * DAY_MS
  return {
    limitUsd,
    now,
    today: await pairs.spent(midnight, midnight + DAY_MS),
    yesterday: [
      await pairs.spent(midnight - DAY_MS, now - DAY_MS),
      await pairs.spent(now - DAY_MS, midnight),
    ],
  } satisfies AuditMoney
}

/** All that it remembers can be made anew; a part that is higher then is left out of the evidence. */
export class AuditParts {
  private money: MoneyPart | null = null
  private readonly load = new Map<string, LoadPart>()
  /** US dollars that the audits of all routes have cost since midnight UTC */
  spentUsdToday = 0

  constructor(private readonly deps: AuditPartsDeps) {}

  /** Before the routes are looked at. @param live ids of the live internalizations */
  async begin(live: ReadonlySet<string>): Promise<void> {
    for (const id of this.load.keys()) if (!live.has(id)) this.load.delete(id)
    const { store, rollout, now } = this.deps
    const at = now()
    if (rollout.auditUsdPerDay === null) {
      this.spentUsdToday = await spentToday(store, at)
      return
    }
    const money = await readMoney(store, rollout.auditUsdPerDay, at)
    this.spentUsdToday = money.today.usd
    this.money = nextMoneyPart(this.money, money)
  }

  /** Whether audits have cost as much as they may on this day. */
  get isSpent(): boolean {
    return this.money?.part === 0
  }

  /**
   * The part of one route's audits. @param id of its internalization
   * @param waiting its audits that wait; null while the engine is away, when they wait for it
   */
  of(id: string, waiting: number | null): number {
    const known = this.load.get(id) ?? null
    const load = waiting === null ? known : nextLoadPart(known, waiting, this.deps.now())
    if (load !== null) this.load.set(id, load)
    return Math.min(this.money?.part ?? 1, load?.part ?? 1)
  }
}
