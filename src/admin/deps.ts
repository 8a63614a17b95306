/** The dependencies of the admin API and the page. */
import type { ProofFile } from '../core/proof/proof-file.ts'
import type { Internalization } from '../core/internalization/internalization.ts'
import type { Price } from '../core/cost/prices.ts'
import type { Usage } from '../openai/chat.ts'
import type { TrainingTerms } from '../core/terms/terms.ts'
import type { RolloutSettings } from '../core/rollout/stages.ts'
import type { Economics } from '../savings/economics.ts'
import type { Store } from '../store/store.ts'
import type { AdminRole, AdminTokens } from './access/roles.ts'
import type { TokenGate } from './access/token-gate.ts'
import type { Turns } from './access/turns.ts'

/** A proof file and the internalization that it is of. */
export interface OwnedProof {
  row: Internalization
  file: ProofFile
}

/** A setting in force. */
export interface Setting {
  /** of the environment variable */
  name: string
  /** '' where there is none; of a secret `set` or '' */
  value: string
  isDefault: boolean
}

/** What the running process knows of itself. */
export interface ProcessStatus {
  /** its kind; `none`: no lora is trained or answers */
  engine: string
  engineReachable: boolean
  /** `restarting`: its thread ended and is started again */
  store: 'running' | 'restarting'
  /** `elsewhere`: this process did not start one */
  worker: 'elsewhere' | 'running' | 'restarting'
  /** exchanges since the process started */
  log: {
    queued: number
    queuedBytes: number
    written: number
    dropped: number
    storeFailures: number
  }
  /** false while records are dropped and none is written */
  logIsTaken: boolean
  /** live ones */
  routes: number
}

export interface AdminDeps {
  store: Store
  tokens: AdminTokens
  /** judges them, the same for all that need one */
  gate: TokenGate
  now: () => number
  /**
   * Reloads the routes of this process from the store. Awaited before a decision on routes is answered.
   * @throws AppError `store-unavailable` when the process may still have the old routes
   */
  refreshRoutes: () => Promise<void>
  status: () => ProcessStatus
  rollout: RolloutSettings
  /** every one once, without secrets */
  settings: () => Setting[]
  /** the provider's charge for an answer, US dollars; null without a price or usage */
  costUsd: (model: string, usage: Usage | null) => number | null
  /** of all models */
  prices: readonly Price[]
  economics: Economics
  newId: () => string
  /** for secrets */
  randomBytes: (count: number) => Uint8Array
  /** what the upstreams' terms say of training on their answers */
  terms: TrainingTerms
  /** requests of a template that the worker waits for before it internalizes it */
  neededRequests: number
  /** hides whose answer is whose from a person who rates pairs; the same after a restart */
  blindSecret: string
  /** takes errors of the page that its reader did not cause; those of the API are thrown */
  onFault: (error: unknown) => void
}

/** What the API's routes are given. */
export interface ApiDeps extends AdminDeps {
  /**
   * All figures behind a decision, without text, for every role.
   * @throws AppError `not-found`, or `invalid-state` before the verdict
   */
  proofOf: (internalizationId: string) => Promise<OwnedProof>
  /** of the API and the page together */
  readTurns: Record<AdminRole, Turns>
}

/** What routes and views are given. */
export interface RoleDeps extends ApiDeps {
  /** OpenAPI */
  apiDocument: () => object
}
