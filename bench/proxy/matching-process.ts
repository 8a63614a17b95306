/**
 * The cost of matching a request against 1,000 live templates that share a stem, beside one
 * JSON.parse of the same 8 KB body. A process of its own, built as production is; prints a line of
 * JSON. Arguments: samples, milliseconds of each.
 */
import { outlineOf } from '../../src/core/match/match.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { matchRoute } from '../../src/core/route/route-table.ts'
import { compileRouteTable } from '../../src/core/route/route-table.ts'
import { liveRoutes, requestBody } from '../load/traffic.ts'

const TEMPLATES = 1000
const TENANT = 'tenant'
const KILOBYTES = 8
const SHORTEST_RUNS = 100

export interface MatchingSample {
  jsonParseUs: number
  /** a request that no template is in, as the bytes tell */
  missUs: number
  /** a request of one of the templates, from bytes to its parts but for the parsing */
  hitUs: number
}

const table = compileRouteTable(liveRoutes(TENANT, TEMPLATES))

const recognizer = (body: string): (() => boolean) => {
  const bytes = Buffer.from(body)
  const request = JSON.parse(body) as ChatRequest
  return () => {
    const outline = outlineOf(bytes)
    const isParsed = outline === null || table.matcher.mayMatch(bytes, outline)
    return isParsed && matchRoute(table, request, { tenant: TENANT }) !== null
  }
}

const microsOf = (work: () => unknown, milliseconds: number): number => {
  const start = performance.now()
  let [runs, elapsed] = [0, 0]
  while (elapsed < milliseconds) {
    for (let i = 0; i < SHORTEST_RUNS; i++) work()
    runs += SHORTEST_RUNS
    elapsed = performance.now() - start
  }
  return (elapsed * 1000) / runs
}

const missBody = requestBody({ kilobytes: KILOBYTES })
const miss = recognizer(missBody)
const hit = recognizer(requestBody({ kilobytes: KILOBYTES, variant: String(TEMPLATES >> 1) }))
if (miss() || !hit()) throw new Error('the templates do not tell the two requests apart')

const [samples = 1, milliseconds = 1] = process.argv.slice(2).map(Number)
const sample = (): MatchingSample => ({
  jsonParseUs: microsOf(() => JSON.parse(missBody) as unknown, milliseconds),
  missUs: microsOf(miss, milliseconds),
  hitUs: microsOf(hit, milliseconds),
})
// the first one is the JIT's
sample()
console.log(JSON.stringify(Array.from({ length: samples }, sample)))
