import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  CALL_ID_END,
  callId,
  completionId,
  ID_END,
  inputItemId,
  outputItemId,
  readOwnId,
  responseId,
} from '../../src/openai/ids.ts'
import { timeOrderedId } from '../../src/time-ordered-id.ts'

const RECORD = timeOrderedId(() => 1_790_000_000_000)
const place = fc.nat({ max: 0x7fffff })

describe('ids of a lora’s answers', () => {
  it('have the form and the length of the API’s own', () => {
    expect(completionId(RECORD)).toMatch(/^chatcmpl-[0-9A-Za-z]{29}$/)
    expect(callId(RECORD, 127)).toMatch(/^call_[0-9A-Za-z]{24}$/)
    expect(responseId(RECORD)).toMatch(/^resp_[0-9a-f]{48}$/)
    expect(outputItemId('msg', RECORD, 0)).toMatch(/^msg_[0-9a-f]{48}$/)
    expect(inputItemId('fc', RECORD, 300)).toMatch(/^fc_[0-9a-f]{48}$/)
  })

  it('say which record and which item they are of', () => {
    const of = { record: RECORD, output: null, input: null }
    expect(readOwnId(responseId(RECORD))).toEqual({ ...of, prefix: 'resp' })
    fc.assert(
      fc.property(place, (at) => {
        expect(readOwnId(outputItemId('fc', RECORD, at))).toEqual({
          ...of,
          prefix: 'fc',
          output: at,
        })
        expect(readOwnId(inputItemId('rs', RECORD, at))).toEqual({ ...of, prefix: 'rs', input: at })
        expect(JSON.stringify(outputItemId('msg', RECORD, at)).endsWith(ID_END)).toBe(true)
      })
    )
  })

  it('are no two alike', () => {
    const records = Array.from({ length: 200 }, () => timeOrderedId(Date.now))
    const ids = records.flatMap((record) => [0, 1, 2].map((at) => callId(record, at)))
    expect(new Set([...ids, ...records.map(completionId)]).size).toBe(800)
  })

  it.each([
    'resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b',
    'msg_67ccd2bf17f0819081ff3bb2cf6508e60bb6a6b452d3795b',
    'item_A9v0SNfS3VaLrfX0j3y4xhyK',
    'resp_',
    '',
  ])('are told from a provider’s: %s', (id) => {
    expect(readOwnId(id)).toBeNull()
  })

  it('of calls are told from a provider’s', () => {
    expect(JSON.stringify(callId(RECORD, 127)).endsWith(CALL_ID_END)).toBe(true)
    expect('"call_unLAR8MvFNptuiZK6K6HCy5k"'.endsWith(CALL_ID_END)).toBe(false)
  })
})
