/** Settings of a server that brings a prompt from its first request to a route within seconds. */

/** requests that are more than enough for the default rows, and too few for a successor */
export const LOOP_REQUESTS = 400

const ROWS = 120

interface Learning {
  minSessions?: number
  trainRows?: number
  /** by default as many as train */
  holdoutRows?: number
}

/** A prompt is learned and judged by few rows; the stages of its route are the product's. */
export const learningSettings = ({
  minSessions = 40,
  trainRows = ROWS,
  holdoutRows = trainRows,
}: Learning = {}): Record<string, string> => ({
  ENGINE: 'fake',
  DETECT_MIN_SESSIONS: String(minSessions),
  TRAIN_ROWS: String(trainRows),
  HOLDOUT_ROWS: String(holdoutRows),
  START_EXCHANGES: String(trainRows + holdoutRows),
  // all requests come within minutes and do not depend on each other
  BURST_MINUTES: '0',
})

/** The same, and the route gets all of the traffic at once, without audits. */
export const loopSettings = ({
  promotes = false,
  ...learning
}: Learning & { promotes?: boolean } = {}): Record<string, string> => ({
  ...learningSettings(learning),
  AUTO_PROMOTE: String(promotes),
  ROLLOUT_STAGES: '1',
  AUDIT_SHARE: '0',
})
