import { expect, it } from 'vitest'
import { packHead, unpackHead, type PackedHead } from '../../src/core/log/record.ts'
import { exampleOutcome, exampleRecord } from '../kit/records/examples.ts'

const headOf = (outcome: 'answered' | 'fallback' | 'skipped') => {
  const route = exampleOutcome({ outcome })
  const {
    request: _request,
    response: _response,
    usage: _usage,
    ...head
  } = exampleRecord(1, {
    route,
  })
  return head
}

it.each(['answered', 'fallback', 'skipped'] as const)('keeps a head that was %s', (outcome) => {
  expect(unpackHead(packHead(headOf(outcome)))).toEqual(headOf(outcome))
})

it('keeps the caller of a head, and has none where there was none', () => {
  const head = { ...headOf('answered'), caller: 'key-7' }
  expect(unpackHead(packHead(head))).toEqual(head)
  expect(unpackHead(packHead({ ...head, route: null }))).toEqual({ ...head, route: null })
  expect(packHead(headOf('answered'))).toHaveLength(10)
})

it.each([
  [{ asked: true }, 'fallback'],
  [{}, 'skipped'],
])('reads a record of an older version, whose fallback was %o, as %s', (asked, outcome) => {
  const packed = packHead(headOf('skipped')).slice(0, -1)
  const route = { ...exampleOutcome({ outcome: 'fallback' }), ...asked }
  expect(unpackHead([...packed, route] as unknown as PackedHead).route).toEqual(
    exampleOutcome({ outcome: outcome as 'fallback' | 'skipped' })
  )
})
