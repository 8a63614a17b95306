/** Which exchanges of the log are a random part of the traffic. */
import { describe, expect, it } from 'vitest'
import { isRandom } from '../../src/core/rollout/population.ts'

const route = (reason: string, outcome: 'answered' | 'fallback' | 'skipped' = 'skipped') => ({
  templateVersion: 'v',
  lora: 'lora',
  outcome,
  reason,
  confidence: null,
  promptTokensSaved: 0,
})

const random = (reason: string): boolean => isRandom({ id: 'a', route: route(reason) }, 0)

describe('an exchange of a live template', () => {
  it('is a random part of the traffic where its side was drawn', () => {
    expect(['audit', 'traffic-share'].map(random)).toEqual([true, true])
  })

  it('is not where the hour or the caller decided: the engine was paused, or a credential missed', () => {
    const reasons = ['engine-paused', 'engine-missing', 'no-credential', 'credential-not-accepted']
    expect(reasons.map(random)).toEqual([false, false, false, false])
  })

  it('is not where the lora was asked', () => {
    expect(isRandom({ id: 'a', route: route('low-confidence', 'fallback') }, 1)).toBe(false)
  })
})
