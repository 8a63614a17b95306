import type { ConstantChanges } from '../../../src/config/constants.ts'

/** Settings of a server that brings a prompt from its first request to a route within seconds. */

/** requests that are more than enough for the default rows, and too few for a successor */
export const LOOP_REQUESTS = 400

const ROWS = 120

interface Learning {
  minSessions?: number
  trainRows?: number
  /** by default as many as train */
  holdoutRows?: number
  /** further ones */
  constants?: ConstantChanges
}

/** The environment of a program with other constants than those that ship. */
export const changedConstants = (changes: ConstantChanges) => ({
  PROMPTINTERN_CONSTANTS: JSON.stringify(changes),
})

/** A prompt is learned and judged by few rows; the stages of its route are the product's. */
export const learningSettings = ({
  minSessions = 40,
  trainRows = ROWS,
  holdoutRows = trainRows,
  constants = {},
}: Learning = {}): Record<string, string> => ({
  ENGINE: 'fake',
  ...changedConstants({
    detectMinSessions: minSessions,
    trainRows,
    holdoutRows,
    startExchanges: trainRows + holdoutRows,
    ...constants,
  }),
  // all requests come within minutes and do not depend on each other
  BURST_MINUTES: '0',
})

/** The same, and the route gets all of the traffic at once, without audits. */
export const loopSettings = ({
  promotes = false,
  constants = {},
  ...learning
}: Learning & { promotes?: boolean } = {}): Record<string, string> => ({
  ...learningSettings({ ...learning, constants: { auditShare: 0, ...constants } }),
  AUTO_PROMOTE: String(promotes),
  ROLLOUT_STAGES: '1',
})
