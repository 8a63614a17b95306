import { describe, expect, it } from 'vitest'
import {
  afterAnswer,
  afterCommandFailure,
  afterSilence,
  decidePower,
  isAskDue,
  NO_PAUSE,
  observe,
  UNSEEN,
  UNTOUCHED,
  type CommandPause,
  type PowerFacts,
  type Presence,
} from '../../src/core/learn/engine-power.ts'

const NOW = 1_700_000_000_000
const MINUTE_MS = 60_000

const facts = (changes: Partial<PowerFacts> = {}): PowerFacts => ({
  now: NOW,
  need: null,
  awaySince: null,
  memory: UNTOUCHED,
  isRunning: false,
  canStop: true,
  startPause: NO_PAUSE,
  stopPause: NO_PAUSE,
  startMs: 10 * MINUTE_MS,
  idleMs: 15 * MINUTE_MS,
  ...changes,
})

const started = (startedAt: number | null): PowerFacts['memory'] => ({
  isOurs: true,
  startedAt,
  idleSince: null,
})

const idle = (idleSince: number, isOurs = true): PowerFacts['memory'] => ({
  isOurs,
  startedAt: null,
  idleSince,
})

/** of so many failures, one at the end of the pause before */
const askPauses = (failures: number): number[] => {
  let presence: Presence = UNSEEN
  return Array.from({ length: failures }, () => {
    const now = presence.askAt
    presence = afterSilence(presence, now)
    return presence.askAt - now
  })
}

describe('the engine is started', () => {
  it.each<[string, Partial<PowerFacts>, 'start' | 'wait']>([
    ['when work is due and it was never seen', { need: 'work', awaySince: 0 }, 'start'],
    ['for live routes, too', { need: 'routes', awaySince: 0 }, 'start'],
    ['not while it answers', { need: 'work' }, 'wait'],
    ['not when nothing needs it', { awaySince: 0 }, 'wait'],
    ['not for a hiccup', { need: 'work', awaySince: NOW - 29_999 }, 'wait'],
    ['when it stays away', { need: 'work', awaySince: NOW - 30_000 }, 'start'],
    ['not beside a command', { need: 'work', awaySince: 0, isRunning: true }, 'wait'],
    [
      'not while the last start may still succeed',
      { need: 'work', awaySince: 0, memory: started(NOW - 10 * MINUTE_MS + 1) },
      'wait',
    ],
    [
      'again when that took too long',
      { need: 'work', awaySince: 0, memory: started(NOW - 10 * MINUTE_MS) },
      'start',
    ],
    [
      'again when the clock was set back since',
      { need: 'work', awaySince: 0, memory: started(NOW + 1) },
      'start',
    ],
    [
      'not in the pause after a failure',
      { need: 'work', awaySince: 0, startPause: { failures: 1, notBefore: NOW + 1 } },
      'wait',
    ],
  ])('%s', (_, changes, action) => {
    expect(decidePower(facts(changes))).toBe(action)
  })
})

describe('the engine is stopped', () => {
  const since = NOW - 15 * MINUTE_MS
  it.each<[string, Partial<PowerFacts>, 'stop' | 'wait']>([
    ['when nothing has needed it for long enough', { memory: idle(since) }, 'stop'],
    ['also when it does not answer', { memory: idle(since), awaySince: NOW - 5 }, 'stop'],
    ['not sooner', { memory: idle(since + 1) }, 'wait'],
    ['not when another program started it', { memory: idle(since, false) }, 'wait'],
    ['not while routes need it', { memory: started(null), need: 'routes' }, 'wait'],
    ['not while work is due', { memory: started(null), need: 'work' }, 'wait'],
    ['not without a command', { memory: idle(since), canStop: false }, 'wait'],
    ['not beside a command', { memory: idle(since), isRunning: true }, 'wait'],
    [
      'not in the pause after a failure',
      { memory: idle(since), stopPause: { failures: 1, notBefore: NOW + 1 } },
      'wait',
    ],
  ])('%s', (_, changes, action) => {
    expect(decidePower(facts(changes))).toBe(action)
  })
})

describe('the memory', () => {
  it('is since when nothing has needed the engine, until something does', () => {
    const first = observe(UNTOUCHED, { need: null, awaySince: null, now: NOW })
    expect(first.idleSince).toBe(NOW)
    const later = observe(first, { need: null, awaySince: null, now: NOW + 5 })
    expect(later.idleSince).toBe(NOW)
    expect(observe(later, { need: 'routes', awaySince: null, now: NOW + 9 }).idleSince).toBeNull()
    // a clock that was set back
    expect(observe(later, { need: null, awaySince: null, now: NOW - 9 }).idleSince).toBe(NOW - 9)
  })

  it('is a start until the engine answers', () => {
    const away = observe(started(NOW), { need: 'work', awaySince: 0, now: NOW + 5 })
    expect(away).toEqual(started(NOW))
    expect(observe(away, { need: 'work', awaySince: null, now: NOW + 9 })).toEqual(started(null))
  })
})

describe('pauses', () => {
  it('between two questions grow to a minute', () => {
    expect(askPauses(8)).toEqual([1, 2, 4, 8, 16, 32, 60, 60].map((seconds) => seconds * 1000))
    expect(askPauses(2000).at(-1)).toBe(MINUTE_MS)
  })

  it('begin anew once the engine has answered for a minute', () => {
    const away = afterSilence(afterSilence(afterSilence(UNSEEN, NOW), NOW), NOW)
    const back = afterAnswer(away, NOW)
    expect(back.awaySince).toBeNull()
    expect(afterSilence(back, NOW + 1).askAt).toBe(NOW + 8001)
    const stable = afterAnswer(back, NOW + MINUTE_MS)
    expect(afterSilence(stable, NOW + MINUTE_MS)).toMatchObject({
      awaySince: NOW + MINUTE_MS,
      askAt: NOW + MINUTE_MS + 1000,
    })
  })

  it('do not outlast a clock that was set back', () => {
    const presence = afterAnswer(UNSEEN, NOW)
    expect(isAskDue(presence, NOW + 1)).toBe(false)
    expect(isAskDue(presence, NOW - 3_600_000)).toBe(true)
  })

  it('between two runs of a command that fails grow to ten minutes', () => {
    let pause: CommandPause = NO_PAUSE
    const pauses = Array.from({ length: 9 }, () => {
      pause = afterCommandFailure(pause, NOW)
      return (pause.notBefore - NOW) / 1000
    })
    expect(pauses).toEqual([10, 20, 40, 80, 160, 320, 600, 600, 600])
  })
})
