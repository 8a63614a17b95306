/** Lets requests go while their cost stays within a budget, which no more than one request may exceed. Pure. */

export interface Budget {
  /** @param boundUsd most that the next request can cost; Infinity: there is no bound */
  mayStart(boundUsd: number): boolean
  start(boundUsd: number): void
  /** @param usd that it cost */
  end(boundUsd: number, usd: number): void
  readonly spentUsd: number
  /** whether nothing may start any more, whatever ends */
  readonly isSpent: boolean
}

/** @param limitUsd US dollars @param spentUsd before */
export const createBudget = (limitUsd: number, spentUsd = 0): Budget => {
  let [spent, reserved, underway] = [spentUsd, 0, 0]
  return {
    mayStart: (boundUsd) =>
      // alone, it is the one that may exceed the budget
      spent < limitUsd && (underway === 0 || spent + reserved + boundUsd <= limitUsd),
    start(boundUsd) {
      underway++
      reserved += boundUsd
    },
    end(boundUsd, usd) {
      underway--
      // Infinity less Infinity is no number
      reserved = underway === 0 ? 0 : reserved - boundUsd
      spent += usd
    },
    get spentUsd() {
      return spent
    },
    get isSpent() {
      return spent >= limitUsd
    },
  }
}
