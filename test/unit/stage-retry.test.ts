import { describe, expect, it } from 'vitest'
import { afterFailure } from '../../src/worker/internalize/train.ts'
import type { JobObject } from '../../src/openai/fine-tuning.ts'

const FINISHED_AT = 1_800_000_000
const LATER = (FINISHED_AT + 61) * 1000

const failed = (code: string): JobObject =>
  ({
    status: 'failed',
    finished_at: FINISHED_AT,
    error: { code, message: 'as told', param: null },
  }) as JobObject

describe('a stage whose job has failed', () => {
  it.each(['engine_unavailable', 'store_unavailable'])(
    'is tried again a minute after %s',
    (code) => {
      expect(afterFailure([failed(code)], (FINISHED_AT + 1) * 1000)).toBe('wait')
      expect(afterFailure([failed(code)], LATER)).toBe('again')
    }
  )

  it('waits for no clock that is ahead', () => {
    expect(afterFailure([failed('engine_unavailable')], (FINISHED_AT - 3600) * 1000)).toBe('again')
  })

  it('has three jobs at most', () => {
    const two = [failed('engine_unavailable'), failed('engine_unavailable')]
    expect(afterFailure(two, LATER)).toBe('again')
    expect(afterFailure([...two, failed('store_unavailable')], LATER)).toBe('give-up')
  })

  it('is not tried again for what would fail again', () => {
    for (const code of ['internal', 'invalid_request', 'context_length_exceeded', 'invalid_state'])
      expect(afterFailure([failed(code)], LATER)).toBe('give-up')
  })

  it('is not tried again when it was cancelled by hand', () => {
    const cancelled = { ...failed('engine_unavailable'), status: 'cancelled' as const, error: null }
    expect(afterFailure([cancelled], LATER)).toBe('give-up')
  })
})
