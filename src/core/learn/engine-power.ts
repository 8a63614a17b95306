/**
 * Decides when an engine that is not always on is asked, started and stopped. The worker keeps the
 * state, sends the requests and runs the commands.
 */

/** Why the engine is needed: for the worker's own work, or only for the loras of live routes. */
export type EngineNeed = 'work' | 'routes'

/** Presence of the engine, from the requests to it. */
export interface Presence {
  /** time of the first request without an answer; null while it answers, 0 before its first answer */
  awaySince: number | null
  /** null while it is away */
  hereSince: number | null
  failures: number
  askAt: number
}

/** Kept in the store, so that it survives a restart of the worker. */
export interface PowerMemory {
  /** whether the last command to the machine was the start command */
  isOurs: boolean
  /** time of a start, or of the end of its command; null once the engine has answered */
  startedAt: number | null
  /** since when the engine has not been needed; null while it is needed */
  idleSince: number | null
}

/** A failed command is not run again before `notBefore`. */
export interface CommandPause {
  failures: number
  notBefore: number
}

export interface PowerFacts {
  now: number
  need: EngineNeed | null
  awaySince: number | null
  memory: PowerMemory
  /** whether a command runs */
  isRunning: boolean
  canStop: boolean
  startPause: CommandPause
  stopPause: CommandPause
  /** how long the engine may take to answer after a start */
  startMs: number
  idleMs: number
}

export type PowerAction = 'start' | 'stop' | 'wait'

const FIRST_ASK_PAUSE_MS = 1_000
const MAX_ASK_PAUSE_MS = 60_000
/** After so long a presence, the pauses between requests begin with the first one again. */
const STABLE_MS = 60_000
/** Absence before a start: an engine that restarts or is busy must not be started again. */
const AWAY_MS = 30_000
const FIRST_COMMAND_PAUSE_MS = 10_000
const MAX_COMMAND_PAUSE_MS = 600_000

export const UNSEEN: Presence = { awaySince: 0, hereSince: null, failures: 0, askAt: 0 }
export const UNTOUCHED: PowerMemory = { isOurs: false, startedAt: null, idleSince: null }
export const NO_PAUSE: CommandPause = { failures: 0, notBefore: 0 }

const pauseAfter = (failures: number, firstMs: number, maxMs: number): number =>
  Math.min(firstMs * 2 ** failures, maxMs)

/** True also when the clock was set back, which leaves `at` further ahead than any pause. */
const isReached = (at: number, now: number, maxPauseMs: number): boolean =>
  now >= at || at - now > maxPauseMs

export const isAskDue = ({ askAt }: Presence, now: number): boolean =>
  isReached(askAt, now, MAX_ASK_PAUSE_MS)

export const afterAnswer = ({ hereSince, failures }: Presence, now: number): Presence => {
  const since = hereSince ?? now
  return {
    awaySince: null,
    hereSince: since,
    failures: now - since >= STABLE_MS ? 0 : failures,
    askAt: now + MAX_ASK_PAUSE_MS,
  }
}

export const afterSilence = ({ awaySince, failures }: Presence, now: number): Presence => ({
  awaySince: awaySince ?? now,
  hereSince: null,
  failures: failures + 1,
  askAt: now + pauseAfter(failures, FIRST_ASK_PAUSE_MS, MAX_ASK_PAUSE_MS),
})

export const afterCommandFailure = ({ failures }: CommandPause, now: number): CommandPause => ({
  failures: failures + 1,
  notBefore: now + pauseAfter(failures, FIRST_COMMAND_PAUSE_MS, MAX_COMMAND_PAUSE_MS),
})

/** The memory after a check of the engine and of the need for it. */
export const observe = (
  { isOurs, startedAt, idleSince }: PowerMemory,
  { need, awaySince, now }: Pick<PowerFacts, 'need' | 'awaySince' | 'now'>
): PowerMemory => ({
  isOurs,
  startedAt: awaySince === null ? null : startedAt,
  idleSince: need === null ? Math.min(idleSince ?? now, now) : null,
})

const isStarting = ({ memory: { startedAt }, now, startMs }: PowerFacts): boolean =>
  startedAt !== null && now >= startedAt && now - startedAt < startMs

const isStartDue = (facts: PowerFacts): boolean => {
  const { awaySince, now, startPause } = facts
  if (awaySince === null || now - awaySince < AWAY_MS) return false
  return !isStarting(facts) && isReached(startPause.notBefore, now, MAX_COMMAND_PAUSE_MS)
}

/** Also stops an engine that does not answer: its machine may run and cost money. */
const isStopDue = ({ memory, canStop, now, idleMs, stopPause }: PowerFacts): boolean =>
  canStop &&
  memory.isOurs &&
  memory.idleSince !== null &&
  now - memory.idleSince >= idleMs &&
  isReached(stopPause.notBefore, now, MAX_COMMAND_PAUSE_MS)

/** Runs one command at a time, and never stops a machine that the worker did not start. */
export const decidePower = (facts: PowerFacts): PowerAction => {
  if (facts.isRunning) return 'wait'
  if (facts.need !== null) return isStartDue(facts) ? 'start' : 'wait'
  return isStopDue(facts) ? 'stop' : 'wait'
}
