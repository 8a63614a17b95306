/** The immutable snapshot of live routes that requests are matched against. */
import { compileMatcher, type Matcher } from '../core/match.ts'
import type { Route } from '../core/route.ts'

export interface RouteTable {
  readonly matcher: Matcher
  /** template version → route */
  readonly byVersion: ReadonlyMap<string, Route>
}

/** False for a route of an earlier version, whose proof names no kinds of requests. */
const namesKinds = (route: Partial<Route>): boolean => route.kinds !== undefined

/** Compile a new table when the routes have changed; requests under way keep the one they saw. */
export const compileRouteTable = (stored: Route[]): RouteTable => {
  const routes = stored.filter(namesKinds)
  return {
    matcher: compileMatcher(routes.map((route) => route.template)),
    byVersion: new Map(routes.map((route) => [route.template.version, route])),
  }
}
