/** Second step: the live route that recognizes a request. */
import { templateKeyOf } from '../core/match.ts'
import type { Route } from '../core/route.ts'
import type { Match } from '../core/template.ts'
import type { ChatRequest } from '../openai/chat.ts'
import type { RouteTable } from './route-table.ts'

export interface MatchedRoute {
  route: Route
  match: Match
}

/** The live route whose template is in the request, anchor by anchor (invariant 2). */
export const matchRoute = (
  { matcher, byVersion }: RouteTable,
  request: ChatRequest,
  tenant: string
): MatchedRoute | null => {
  if (byVersion.size === 0) return null
  const match = matcher.match(templateKeyOf(request, tenant), request.messages)
  const route = match && byVersion.get(match.template.version)
  return match && route ? { route, match } : null
}
