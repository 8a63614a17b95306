/**
 * Audits of a live route over days whose mornings and afternoons differ, with a limit of their cost a day. The
 * product's own functions decide how many are made, and which of them count.
 */
import { DAY_MS, dayOf } from '../../src/core/days.ts'
import {
  nextMoneyPart,
  type AuditCosts,
  type AuditMoney,
  type MoneyPart,
} from '../../src/core/rollout/audit-part.ts'
import { addLoss, evidenceOfRise, NO_STREAM } from '../../src/core/rollout/evidence.ts'
import { Thinning } from '../../src/core/rollout/thinning.ts'
import { spread, withBar, type Figures } from '../../test/kit/report.ts'
import { ROLLBACK_CAPITAL } from './capital.ts'
import { ALARM_SHARE, alarmFigures, MARGIN, repeat, shareFigure, type Run } from './run.ts'

const SLOTS = 1440
const SLOT_MS = DAY_MS / SLOTS
/** Minutes between two decisions; the worker decides after each batch. */
const DECIDES_EVERY = 30

interface World {
  /** audits of a day, if all are made */
  perDay: number
  /** US dollars a day, and of an audit on a day */
  limitUsd: number
  auditUsd(day: number): number
  /** chance of a loss before noon and after it */
  losses: [before: number, after: number]
  /** pairs after which it ends */
  pairs: number
}

/** All audits of a day would cost twice the limit. */
export const HALF: World = {
  perDay: 400,
  limitUsd: 2,
  auditUsd: () => 0.01,
  losses: [0.02, 0.12],
  pairs: 10_000,
}
const KEPT: World = { ...HALF, losses: [0.01, 0.06] }
/** The third day is ten times dearer than the days before it. */
const DEAR: World = {
  ...HALF,
  perDay: 4_000,
  auditUsd: (day) => (day === 2 ? 0.01 : 0.001),
  losses: [0, 0],
}

/** What the audits of two days cost, by the minute. */
class Ledger {
  private readonly usd = new Map<number, Float64Array>()
  private readonly wholeUsd = new Map<number, Float64Array>()

  add(day: number, slot: number, usd: number, drawn: number): void {
    for (const [costs, value] of [
      [this.usd, usd],
      [this.wholeUsd, usd / drawn],
    ] as const) {
      if (!costs.has(day)) costs.set(day, new Float64Array(SLOTS))
      costs.get(day)![slot]! += value
      costs.delete(day - 2)
    }
  }

  private sum(day: number, from: number, until: number): AuditCosts {
    const sumOf = (costs: Map<number, Float64Array>): number =>
      costs
        .get(day)
        ?.subarray(from, until)
        .reduce((sum, value) => sum + value, 0) ?? 0
    const first = this.usd.get(day)?.findIndex((value, slot) => slot >= from && value > 0) ?? -1
    const isWithin = first >= 0 && first < until
    const firstAt = isWithin ? day * DAY_MS + first * SLOT_MS : null
    return { usd: sumOf(this.usd), wholeUsd: sumOf(this.wholeUsd), firstAt }
  }

  money(limitUsd: number, now: number): AuditMoney {
    const [day, slot] = [dayOf(now), Math.floor((now % DAY_MS) / SLOT_MS)]
    return {
      limitUsd,
      now,
      today: this.sum(day, 0, SLOTS),
      yesterday: [this.sum(day - 1, 0, slot), this.sum(day - 1, slot, SLOTS)],
    }
  }
}

/** The part of the audits at a time. */
type Rule = (money: AuditMoney) => number

export const steadily = (): Rule => {
  let known: MoneyPart | null = null
  return (money) => (known = nextMoneyPart(known, money)).part
}

/** Without a controller: all, until the money of the day is spent. */
export const untilSpent = (): Rule => (money) => Number(money.today.usd < money.limitUsd)

interface Life {
  isRolledBack: boolean
  /** audits that were made, and those that counted */
  pairs: number
  counted: number
  /** most that a day cost, as a share of the limit */
  mostSpent: number
  /** audits of the third day's last six hours */
  lateOnThirdDay: number
}

const MAX_DAYS = 400

export const live = (world: World, rule: Rule, random: () => number): Life => {
  const [ledger, thinning] = [new Ledger(), new Thinning()]
  const life = { isRolledBack: false, pairs: 0, counted: 0, mostSpent: 0, lateOnThirdDay: 0 }
  let stream = NO_STREAM
  let [part, spentUsd] = [1, 0]
  for (let slot = 0; slot < MAX_DAYS * SLOTS && life.pairs < world.pairs; slot++) {
    const [day, minute] = [Math.floor(slot / SLOTS), slot % SLOTS]
    const at = slot * SLOT_MS
    if (minute === 0) spentUsd = 0
    if (minute % DECIDES_EVERY === 0) part = rule(ledger.money(world.limitUsd, at))
    if (spentUsd >= world.limitUsd) continue
    if (random() >= (world.perDay / SLOTS) * part) continue
    life.pairs++
    if (day === 2 && minute >= 0.75 * SLOTS) life.lateOnThirdDay++
    ledger.add(day, minute, world.auditUsd(day), part)
    spentUsd += world.auditUsd(day)
    life.mostSpent = Math.max(life.mostSpent, spentUsd / world.limitUsd)
    if (!thinning.keeps({ place: life.pairs, at, drawn: part })) continue
    life.counted++
    const loss = random() < world.losses[minute < SLOTS / 2 ? 0 : 1]
    stream = addLoss(stream, Number(loss))
    if (loss && evidenceOfRise(stream, MARGIN, 0) >= Math.log(ROLLBACK_CAPITAL))
      return { ...life, isRolledBack: true }
  }
  return life
}

const rolledBack = (all: Life[]): boolean[] => all.map(({ isRolledBack }) => isRolledBack)

export const measureSteady = async (run: Run): Promise<Figures> => {
  const lives = (name: string, draws: number, world: World, rule: () => Rule): Promise<Life[]> =>
    repeat(name, Math.ceil(draws), run, () => live(world, rule(), run.random))
  const found = await lives('steady_audits_found', run.draws / 10, HALF, steadily)
  const spent = await lives('until_spent', run.draws / 10, HALF, untilSpent)
  const kept = await lives('false_rollback_steady_audits', run.draws / 10, KEPT, steadily)
  const dear = await lives('dear_day', run.draws / 10, DEAR, steadily)
  return {
    steady_audits_found: withBar(shareFigure(rolledBack(found)), '>=', 0.95),
    steady_audits_pairs: spread(
      found.map(({ pairs }) => pairs),
      'pairs until a rollback'
    ),
    audits_until_spent_found: shareFigure(rolledBack(spent)),
    ...alarmFigures('false_rollback_steady_audits', rolledBack(kept), ALARM_SHARE),
    steady_audits_counted: spread(
      kept.map(({ pairs, counted }) => counted / pairs),
      'share of the audits'
    ),
    steady_audits_most_spent: withBar(
      spread(
        [...found, ...kept, ...dear].map(({ mostSpent }) => mostSpent),
        'of the limit, dearest day'
      ),
      '<=',
      1.05
    ),
    dear_day_audits_after_18: withBar(
      spread(
        dear.map(({ lateOnThirdDay }) => lateOnThirdDay),
        'audits of the last six hours'
      ),
      '>=',
      1
    ),
  }
}
