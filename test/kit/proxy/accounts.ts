/** The accounts of issued keys as the stores keep them, in memory and with a clock of the test's. */
import { dayOf } from '../../../src/core/days.ts'
import {
  ABANDONED_MS,
  grantSlice,
  type Levels,
  type SliceAsk,
  type SliceGrant,
} from '../../../src/core/keys/account.ts'
import { firstDayOf } from '../../../src/core/keys/issued-key.ts'

interface Slice {
  usd: number
  renewedAt: number
}

interface KeyRows {
  levels: Levels
  filledAt: number
  usdByDay: Map<number, number>
  slices: Map<string, Slice>
}

export class MemoryAccounts {
  private readonly rows = new Map<string, KeyRows>()

  constructor(
    /** milliseconds since the epoch, by the database's clock */
    private readonly now: () => number
  ) {}

  renew(holder: string, asks: SliceAsk[]): SliceGrant[] {
    return asks.map((ask) => this.renewOne(holder, ask))
  }

  /** As earlier processes left it. */
  spend(keyId: string, usd: number): void {
    this.addSpend(this.rowsOf(keyId), dayOf(this.now()), usd)
  }

  spentUsd(keyId: string, fromDay = 0): number {
    let sum = 0
    for (const [day, usd] of this.rowsOf(keyId).usdByDay) if (day >= fromDay) sum += usd
    return sum
  }

  heldUsd(keyId: string, exceptBy: string | null = null): number {
    let sum = 0
    for (const [holder, { usd }] of this.rowsOf(keyId).slices) if (holder !== exceptBy) sum += usd
    return sum
  }

  private renewOne(holder: string, ask: SliceAsk): SliceGrant {
    const { keyId, spend, limits, keptUsd } = ask
    const now = this.now()
    const rows = this.rowsOf(keyId)
    for (const [other, { usd, renewedAt }] of rows.slices) {
      if (other === holder || renewedAt > now - ABANDONED_MS) continue
      rows.slices.delete(other)
      this.addSpend(rows, dayOf(renewedAt), usd)
    }
    this.addSpend(rows, dayOf(now), spend.usd)
    const account = {
      levels: rows.levels,
      filledAt: rows.filledAt,
      spentUsd: this.spentUsd(keyId, firstDayOf(limits.budget?.period ?? 'day', now)),
      heldUsd: this.heldUsd(keyId, holder),
    }
    const { grant, levels } = grantSlice(account, ask, now)
    Object.assign(rows, { levels, filledAt: now })
    const usd = keptUsd + grant.granted.usd
    if (usd > 0) rows.slices.set(holder, { usd, renewedAt: now })
    else rows.slices.delete(holder)
    return grant
  }

  private addSpend({ usdByDay }: KeyRows, day: number, usd: number): void {
    usdByDay.set(day, (usdByDay.get(day) ?? 0) + usd)
  }

  private rowsOf(keyId: string): KeyRows {
    const known = this.rows.get(keyId)
    if (known !== undefined) return known
    const rows: KeyRows = {
      levels: { requests: null, tokens: null },
      filledAt: this.now(),
      usdByDay: new Map(),
      slices: new Map(),
    }
    this.rows.set(keyId, rows)
    return rows
  }
}
