/**
 * When an engine that comes and goes is asked, started and stopped. Pure: the worker keeps the state,
 * asks, and runs the commands.
 */

/** The worker's own work, or live routes alone, whose loras the engine serves. */
export type EngineNeed = 'work' | 'routes'

/** What is known of the engine from asking it. */
export interface Presence {
  /** when it was first found away; null while it answers, 0 before it was ever seen */
  awaySince: number | null
  /** null while it is away */
  hereSince: number | null
  failures: number
  askAt: number
}

/** What must survive the worker: kept in the store. */
export interface PowerMemory {
  /** whether the start command was the last thing that was done to the machine */
  isOurs: boolean
  /** when the start was begun, or the command ended, that the engine has not answered to yet */
  startedAt: number | null
  /** since when nothing has needed the engine; null while something does */
  idleSince: number | null
}

/** A command that failed is not run again before. */
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
/** An engine that answered for so long is asked with the first pause again when it goes. */
const STABLE_MS = 60_000
/** An engine that restarts, or is too busy to answer, is not started. */
const AWAY_MS = 30_000
const FIRST_COMMAND_PAUSE_MS = 10_000
const MAX_COMMAND_PAUSE_MS = 600_000

export const UNSEEN: Presence = { awaySince: 0, hereSince: null, failures: 0, askAt: 0 }
export const UNTOUCHED: PowerMemory = { isOurs: false, startedAt: null, idleSince: null }
export const NO_PAUSE: CommandPause = { failures: 0, notBefore: 0 }

const pauseAfter = (failures: number, firstMs: number, maxMs: number): number =>
  Math.min(firstMs * 2 ** failures, maxMs)

/** Also when the clock was set back: then all it has to wait for lies too far ahead. */
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

/** What is remembered after a look at the engine and at what needs it. */
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

/** An engine that does not answer is stopped, too: its machine may run and cost. */
const isStopDue = ({ memory, canStop, now, idleMs, stopPause }: PowerFacts): boolean =>
  canStop &&
  memory.isOurs &&
  memory.idleSince !== null &&
  now - memory.idleSince >= idleMs &&
  isReached(stopPause.notBefore, now, MAX_COMMAND_PAUSE_MS)

/** One command at a time; what somebody else started is never stopped. */
export const decidePower = (facts: PowerFacts): PowerAction => {
  if (facts.isRunning) return 'wait'
  if (facts.need !== null) return isStartDue(facts) ? 'start' : 'wait'
  return isStopDue(facts) ? 'stop' : 'wait'
}
