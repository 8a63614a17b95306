/** One prompt from its first request to a live route, as quickly as possible. */
const TRAIN_ROWS = 120
const HOLDOUT_ROWS = 120

/** more than the exchanges that it learns from and is judged by */
export const LOOP_REQUESTS = 2 * (TRAIN_ROWS + HOLDOUT_ROWS)

export const LOOP_SETTINGS: Record<string, string> = {
  AUTO_PROMOTE: 'true',
  ROLLOUT_STAGES: '1',
  AUDIT_SHARE: '0',
  LEARNING_CURVE: 'false',
  DETECT_MIN_SESSIONS: '60',
  TRAIN_ROWS: String(TRAIN_ROWS),
  HOLDOUT_ROWS: String(HOLDOUT_ROWS),
  // all requests come within minutes and do not depend on each other
  BURST_MINUTES: '0',
  LOG_LEVEL: 'error',
}
