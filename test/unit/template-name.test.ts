/** What people see instead of a version. */
import { describe, expect, it } from 'vitest'
import { nameOf, promptName } from '../../src/core/template/name.ts'
import type { Segment, Template } from '../../src/core/template/template.ts'
import { cpuMsOf } from '../kit/linear.ts'

const SLOT: Segment = {
  kind: 'slot',
  name: 'day',
  type: 'short',
  maxChars: 40,
  multiline: false,
  kept: false,
}

const templateOf = (...parts: (string | Segment)[]): Template => ({
  version: '9a172f796c2b0000000000000000abcd',
  tenant: 'acme',
  model: 'gpt',
  tools: '',
  responseFormat: '',
  maxTurnsAfter: 0,
  messages: [
    {
      role: 'system',
      segments: parts.map((part) =>
        typeof part === 'string' ? { kind: 'anchor', text: part } : part
      ),
    },
    { role: 'user', segments: [{ kind: 'query' }] },
  ],
})

describe('the name of a prompt', () => {
  it.each([
    [
      'You are the routing step of the support desk of Kestrel Cards, a bank. You read mail.',
      'routing step, Kestrel Cards',
    ],
    ['You are ShellPilot, the command assistant of our terminal.', 'ShellPilot'],
    [
      'You are the understanding step of a telephone assistant that books tables.',
      'understanding step of a telephone assistant',
    ],
    ['# Role\nYou write Python for a course.', 'write Python for a course'],
    ['I want you to act as a motivational coach. I will tell you my goals.', 'motivational coach'],
    ['# IDENTITY\n\nYou are an AI with a 4,312 IQ. You write.', 'AI with a 4,312 IQ'],
    ['# Task\nSort the mail by urgency. Answer with one word.', 'Sort the mail by urgency'],
    ['Du bist der Sortierdienst der Nordbank.', 'Du bist der Sortierdienst der Nordbank'],
    ['', ''],
  ])('%j is %j', (prompt, name) => {
    expect(promptName(templateOf(prompt))).toBe(name)
  })

  it('has no part of a slot', () => {
    const name = promptName(
      templateOf('You are the agent ', SLOT, '.\nYou are the guide of the museum.')
    )
    expect(name).toBe('guide of the museum')
  })

  it('is cut at a word', () => {
    const name = promptName(templateOf(`You are the ${'wonderful '.repeat(20)}clerk.`))
    expect(name).toMatch(/^(wonderful ){3}wonderful…$/)
  })

  it('gives way to a label, and without words is the start of the version', () => {
    const template = templateOf('You are the clerk of Nordbank.')
    expect(nameOf(template, null)).toBe('clerk of Nordbank')
    expect(nameOf(template, 'Clerk')).toBe('Clerk')
    expect(nameOf(templateOf('# 1'), null)).toBe('9a172f79')
  })

  // a caller sent one such line, and each view of the page then stopped the proxy for minutes
  it.each(['a', 'ab.', '*', '** ', 'you are '])('is found soon in a long line of %j', (part) => {
    const template = templateOf(`${part.repeat(200_000 / part.length)}x`)
    expect(cpuMsOf(() => promptName(template))).toBeLessThan(2000)
  })
})
