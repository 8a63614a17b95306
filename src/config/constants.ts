/**
 * Figures in which no two installations would rightly differ. Tests, benches and the demo, which cannot wait for a
 * day or log thousands of exchanges, change some of them by `PROMPTINTERN_CONSTANTS` (CONTRIBUTING.md): what the
 * documents promise holds for the figures that stand here. Pure.
 */
import { z } from 'zod'
import { PROMISE } from '../core/proof/verify-promise.ts'

const MEBIBYTE = 2 ** 20

export const CONSTANTS = {
  /** Connections of each process to PostgreSQL: the log uses two or three under load, and a server has some 100. */
  databasePool: 10,
  /** Connections of clients: more than a proxy answers at once, and they only take memory while they rest. */
  maxConnections: 16_384,
  /** Requests and WebSockets under way: MAX_IN_FLIGHT_BYTES bounds their memory, which ends earlier. */
  maxInFlightRequests: 10_000,
  /** Delay of the event loop, averaged over a second, above which requests are refused; 0: none is. */
  shedDelayMs: 500,
  /** Without a confirmation of the routes by the store the upstream answers, since a rollback may be missed. */
  routesMaxAgeSeconds: 300,
  /** A longer body is forwarded, and logged without its text: requests over 512 KiB match no template. */
  captureMaxBytes: 4 * MEBIBYTE,
  /** Records that wait for the store: beyond it they are dropped and counted, and no request waits. */
  logQueueMaxBytes: 64 * MEBIBYTE,

  /** Time limit of one comparison by a checker: tests of a program take seconds, and one that hangs has to end. */
  checkSeconds: 60,

  /** Distinct sessions before a recurring prompt is a template: fewer do not tell its text from what they share. */
  detectMinSessions: 30,
  /** Exchanges with which a template is tried first: half are held out, and 59 right answers are the fewest that pass. */
  startExchanges: 300,
  /** Questions to train on at most: an internalization of a busy template has to end. */
  trainRows: 6000,
  /** Held-out exchanges of the traffic at most: each costs two answers of the upstream. */
  holdoutRows: 500,
  /** Least share of requests that a lora has to answer: to watch and audit one that answers less does not pay. */
  minCoverage: 0.2,
  /** Of `ARMS=schedule`. */
  stages: 4,
  /** Retrieved for a row of its first stage. */
  examples: 4,
  /** Of training and bootstraps: any number does, but the same rows have to give the same verdict. */
  seed: 20_240_702,

  /** Share of conversations that is audited in the last stage. AUDIT_USD_PER_DAY bounds its cost. */
  auditShare: 0.03,
  /** Least time of a stage: a day has traffic of all its hours. 0: parts of the day are not asked for either. */
  rolloutMinHours: 24,
  /** Capitals at which a route is rolled back and its next stage may begin: both are promised (docs/evidence.md). */
  rollbackCapital: PROMISE.rollbackCapital,
  stepCapital: PROMISE.stepCapital,
}

export type Constants = typeof CONSTANTS

const whole = (min: number) => z.number().int().min(min)

/** The few that tests, benches and the demo change, within limits that the program works with. */
const CHANGES = z
  .strictObject({
    maxConnections: whole(1),
    shedDelayMs: whole(0),
    routesMaxAgeSeconds: whole(2),
    detectMinSessions: whole(2),
    startExchanges: whole(2),
    trainRows: whole(1),
    holdoutRows: whole(1),
    stages: whole(1),
    examples: whole(0),
    auditShare: z.number().min(0).max(1),
    rolloutMinHours: z.number().min(0),
  })
  .partial()

export type ConstantChanges = z.infer<typeof CHANGES>

const KEY = 'PROMPTINTERN_CONSTANTS'

/**
 * @param variables environment variables
 * @returns the changes, as JSON in one variable of development has them, and what is wrong with them
 */
export const readChanges = (
  variables: Record<string, string | undefined>
): { changes: ConstantChanges; mistakes: string[] } => {
  const text = variables[KEY] || '{}'
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { changes: {}, mistakes: [`${KEY}: is not JSON`] }
  }
  const parsed = CHANGES.safeParse(value)
  if (parsed.success) return { changes: parsed.data, mistakes: [] }
  const mistakes = parsed.error.issues.map(({ path, message }) =>
    [KEY, ...path].join('.').concat(`: ${message}`)
  )
  return { changes: {}, mistakes }
}

/** For log and banner. */
export const CHANGED_CONSTANTS =
  'constants are changed for development, so what the documents promise does not hold'

export const isChanged = ({ changedConstants }: { changedConstants: ConstantChanges }): boolean =>
  Object.keys(changedConstants).length > 0
