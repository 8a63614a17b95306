/** The immutable snapshot of live routes that requests are matched against. */
import type { ChatRequest } from '../../openai/chat.ts'
import { compileMatcher, templateKeyOf, type Matcher } from '../match/match.ts'
import type { Match } from '../template/template.ts'
import type { Sender } from '../template/template-key.ts'
import type { Route } from './route.ts'

export interface RouteTable {
  readonly matcher: Matcher
  /** template version → route */
  readonly byVersion: ReadonlyMap<string, Route>
}

/** Requests in progress keep the table that they were matched against. */
export const compileRouteTable = (routes: Route[]): RouteTable => ({
  matcher: compileMatcher(routes.map((route) => route.template)),
  byVersion: new Map(routes.map((route) => [route.template.version, route])),
})

export interface MatchedRoute {
  route: Route
  match: Match
}

/** The live route with the template that the request matches, anchor by anchor (invariant 2). */
export const matchRoute = (
  { matcher, byVersion }: RouteTable,
  request: ChatRequest,
  sender: Sender
): MatchedRoute | null => {
  if (byVersion.size === 0) return null
  const match = matcher.match(templateKeyOf(request, sender), request.messages)
  const route = match && byVersion.get(match.template.version)
  return match && route ? { route, match } : null
}
