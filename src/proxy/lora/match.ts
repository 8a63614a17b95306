/** The fifth step of a completion: the live template that it is an instance of. */
import { matchRoute, type MatchedRoute } from '../../core/route/route-table.ts'
import type { ChatRequest } from '../../openai/chat.ts'
import type { Admitted } from '../admit.ts'
import type { StepDeps } from '../deps.ts'

/** An admitted completion that has been compared with the live templates. */
export interface Compared {
  readonly admitted: Admitted
  /** time of the proxy from the whole body until it asks the upstream or the engine, milliseconds */
  readonly overheadMs: number
}

/** One that no live template matches. */
export interface Unmatched extends Compared {
  readonly route: null
}

/** One that a live template matches. */
export interface Matched extends Compared, Readonly<MatchedRoute> {
  readonly request: ChatRequest
}

/** @param now milliseconds since the epoch */
export const unmatched = (admitted: Admitted, now: number): Unmatched => ({
  admitted,
  overheadMs: now - admitted.read.completeAt,
  route: null,
})

export type TemplateMatcher = ReturnType<typeof createTemplateMatcher>

export const createTemplateMatcher =
  ({ routes, now }: Pick<StepDeps, 'routes' | 'now'>) =>
  (admitted: Admitted): Matched | Unmatched => {
    const { request, exchange, completeAt } = admitted.read
    const found = request && matchRoute(routes(), request, exchange)
    if (request === null || found === null) return unmatched(admitted, now())
    const { route, match } = found
    return { admitted, overheadMs: now() - completeAt, request, route, match }
  }
