/** What the admin API needs from outside, passed in once. */
import type { Usage } from '../openai/chat.ts'
import type { Economics } from '../savings/economics.ts'
import type { Store } from '../store/store.ts'

export interface AdminDeps {
  store: Store
  /** the bearer token that every request must show */
  token: string
  now: () => number
  /**
   * Brings the routes of this process up to the store's. Awaited before a decision on routes is
   * answered. @throws AppError `store-unavailable` when they may be the old ones
   */
  refreshRoutes: () => Promise<void>
  /** figures of the running process: engine, worker, log queue */
  status: () => Record<string, unknown>
  /** share of the matching requests that a route made here may answer, 0 to 1 */
  trafficShare: number
  /** what the provider charges for an answer, null without a price or usage */
  costUsd: (model: string, usage: Usage | null) => number | null
  economics: Economics
  /** whether records without usage are shown with an estimate of it */
  estimatesUsage: boolean
  newId: () => string
}
