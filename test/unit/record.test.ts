import { expect, it } from 'vitest'
import { packHead, unpackHead } from '../../src/core/log/record.ts'
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
  expect(unpackHead(packHead(headOf('answered')))).not.toHaveProperty('caller')
})

it('keeps what a bought answer is of, and is no longer where there is none', () => {
  const bought = { of: 'record-1', at: 9_000, conversation: 'record-0' }
  const head = { ...headOf('answered'), route: null, bought }
  expect(unpackHead(packHead(head))).toEqual(head)
  expect(packHead(headOf('answered'))).toHaveLength(packHead(head).length - 1)
  expect(unpackHead(packHead(headOf('answered')))).not.toHaveProperty('bought')
})
