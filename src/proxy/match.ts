/** Second step: the live route that recognizes a request. */
import type { Route } from '../core/route.ts'
import type { Match } from '../core/template.ts'
import type { ChatRequest } from '../openai/chat.ts'

export interface MatchedRoute {
  route: Route
  match: Match
}

/** The immutable snapshot of live routes; requests under way keep the one they saw. */
export interface RouteTable {
  /** The live route whose template is in the request, anchor by anchor (invariant 2). */
  find(request: ChatRequest, tenant: string): MatchedRoute | null
}
