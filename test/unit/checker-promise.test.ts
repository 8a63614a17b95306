/** The settings of a checker, and the words of its promise. */
import { checkerOf } from '../../src/worker/judge/check-evaluation.ts'
import { expect, it } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { checkerPromise, isSameChecker } from '../../src/core/gate/checker.ts'

it('has at most one setting', () => {
  expect(parseConfig({}).checker).toBeNull()
  expect(parseConfig({ CHECK_COMMAND: 'check' }).checker).toEqual({
    kind: 'command',
    setting: 'check',
    limitMs: 60_000,
  })
  expect(() => parseConfig({ CHECK_URL: 'http://check/', CHECK_COMMAND: 'x' })).toThrow(
    /set one of them/
  )
  expect(() => parseConfig({ CHECK_URL: 'ftp://host/' })).toThrow(/CHECK_URL/)
})

it('keeps command and URL out of the settings that people see', () => {
  const { settings } = parseConfig({ CHECK_COMMAND: 'check --password x' })
  expect(settings.find(({ name }) => name === 'CHECK_COMMAND')?.value).toBe('set')
  const url = parseConfig({ CHECK_URL: 'https://check/?key=x' }).settings
  expect(url.find(({ name }) => name === 'CHECK_URL')?.value).toBe('set')
})

it('promises who vouches, and what is not claimed', () => {
  const facts = { kind: 'command', digest: 'abc', compared: 300, none: 7, hindrance: null } as const
  const text = checkerPromise(facts, 0.05).join(' ')
  expect(text).toContain('The operator vouches for the command in CHECK_COMMAND (abc)')
  expect(text).toContain('at most 5.0 % more of this route')
  expect(text).toContain('nothing is claimed about people')
  expect(text).toContain('no verdict on 7 of 300')
  expect(checkerPromise({ ...facts, kind: 'url', none: 0 }, 0.05)).toHaveLength(2)
})

it('is another one with another setting or kind', () => {
  const one = { kind: 'command', digest: 'abc' } as const
  expect(isSameChecker(one, { ...one })).toBe(true)
  expect(isSameChecker(one, { ...one, kind: 'url' })).toBe(false)
  expect(isSameChecker(one, { ...one, digest: 'abd' })).toBe(false)
})

it('is not the one of the plan where none is set', () => {
  const checker = { kind: 'command', digest: 'abc' } as const
  expect(checkerOf({ checker: null }, { checker })).toEqual({
    code: 'checker-unset',
    figures: { planned: checker },
  })
})
