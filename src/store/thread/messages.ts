/** The messages between the store's thread and the thread that uses the store. */
import { AppError, toAppError, type ErrorCode } from '../../errors.ts'
import type { LocalOptions as PostgresLocalOptions } from '../postgres/local.ts'
import type { LocalOptions as SqliteLocalOptions } from '../sqlite/local.ts'
import type { Lease, OpenStore } from '../store.ts'

/** Which store the thread opens, and how. */
export type LocalStore =
  | { kind: 'sqlite'; options: SqliteLocalOptions }
  | { kind: 'postgres'; options: PostgresLocalOptions }

export type Area = Exclude<keyof OpenStore, 'close' | 'under'>

/** Names of the store's methods, so that the other thread offers exactly these. */
export type Methods = Record<Area, string[]>

export const methodsOf = ({ close: _close, under: _under, ...areas }: OpenStore): Methods =>
  Object.fromEntries(
    Object.entries(areas).map(([area, methods]) => [area, Object.keys(methods)])
  ) as Methods

/** A call of a method. Area null: close. */
export interface Call {
  id: number
  area: Area | null
  /** which the call depends on */
  lease: Lease | null
  method: string
  parameters: unknown[]
}

/** An AppError as a message: an error loses its class between threads. */
export interface WireError {
  code: ErrorCode
  message: string
  cause: string | null
}

export type Reply = { id: number; value: unknown } | { id: number; error: WireError }

/** The first message of the thread. */
export type Opened = { methods: Methods } | { error: WireError }

export const toWireError = (thrown: unknown): WireError => {
  const { code, message, cause } = toAppError(thrown)
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : cause
  return { code, message, cause: text === undefined ? null : String(text) }
}

export const fromWireError = ({ code, message, cause }: WireError): AppError =>
  new AppError(code, message, cause === null ? {} : { cause })
