/** What the store's thread and its caller say to each other. */
import { AppError, toAppError, type ErrorCode } from '../../errors.ts'
import type {
  InternalizationStore,
  KeyStore,
  RecordStore,
  RouteStore,
  SnapshotStore,
  Store,
  TemplateStore,
} from '../store.ts'

export type Area = Exclude<keyof Store, 'close'>

type Methods = { [A in Area]: Record<keyof Store[A], true> }

/** Every method there is; the compiler misses none. */
export const METHODS: Methods = {
  records: {
    append: true,
    usageTotals: true,
    list: true,
    byIds: true,
    tagTemplate: true,
    prune: true,
    select: true,
    forget: true,
    scrub: true,
  } satisfies Record<keyof RecordStore, true>,
  templates: {
    upsert: true,
    get: true,
    list: true,
    stats: true,
    totals: true,
    remove: true,
  } satisfies Record<keyof TemplateStore, true>,
  internalizations: {
    create: true,
    get: true,
    list: true,
    save: true,
    history: true,
    addEvaluations: true,
    evaluations: true,
  } satisfies Record<keyof InternalizationStore, true>,
  routes: {
    list: true,
    put: true,
    remove: true,
    revision: true,
  } satisfies Record<keyof RouteStore, true>,
  keys: {
    create: true,
    list: true,
    revoke: true,
    revision: true,
    addSpend: true,
    spend: true,
  } satisfies Record<keyof KeyStore, true>,
  snapshots: { get: true, put: true, remove: true, names: true } satisfies Record<
    keyof SnapshotStore,
    true
  >,
}

/** `close` has no area. */
export interface Call {
  id: number
  area: Area | null
  method: string
  parameters: unknown[]
}

/** Errors lose their class on the way, so their parts travel. */
export interface WireError {
  code: ErrorCode
  message: string
  cause: string | null
}

export type Reply = { id: number; value: unknown } | { id: number; error: WireError }

/** The first message of the thread: open, or why not. */
export type Opened = { error: WireError | null }

export const toWireError = (thrown: unknown): WireError => {
  const { code, message, cause } = toAppError(thrown)
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : cause
  return { code, message, cause: text === undefined ? null : String(text) }
}

export const fromWireError = ({ code, message, cause }: WireError): AppError =>
  new AppError(code, message, cause === null ? {} : { cause })
