/** bench:paper: the applications and the task folders that it trains on. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { drawApplications, promptOf } from '../../bench/paper/data/applications.ts'
import { shownExamples, type Subject } from '../../bench/paper/data/subject.ts'
import { taskSubject } from '../../bench/paper/data/tasks.ts'
import { normalizeQuery } from '../../src/core/learn/dataset.ts'
import { EMPTY_PROMPT, studentMessages } from '../../src/core/template/prompt.ts'

const drawTwo = () => drawApplications(2, 7, { train: 480, test: 300 })

const keys = (queries: { query: string }[]) =>
  new Set(queries.map(({ query }) => normalizeQuery(query)))

describe('the applications', () => {
  const [subject, other] = drawTwo() as [Subject, Subject]

  it('are the same for the same seed, with three examples of their own', () => {
    expect(drawTwo().map(({ template }) => template)).toEqual([subject.template, other.template])
    expect(subject.template).not.toEqual(other.template)
    expect(subject.examples).toHaveLength(3)
    expect(shownExamples(subject, []).examples).toBe(subject.examples)
  })

  it('test with questions that neither train nor stand in the prompt, the same for all seeds', () => {
    const tested = keys(subject.test)
    expect(tested.size).toBe(300)
    for (const seed of [0, 1]) {
      const trained = subject.train(seed)
      expect(trained.length).toBeGreaterThanOrEqual(480)
      for (const { query } of [...trained, ...subject.examples!])
        expect(tested.has(normalizeQuery(query))).toBe(false)
    }
    const first = (seed: number) => subject.train(seed).slice(0, 240)
    expect(keys(first(0))).not.toEqual(keys(first(1)))
    expect(first(1)).toEqual(first(1))
  })

  it('send their whole prompt, which the template has without the examples', () => {
    const [{ request, match }] = subject.test as [(typeof subject.test)[number]]
    const system = String(request.messages[0]!.content)
    const [segment] = match.template.messages[0]!.segments
    expect(system.startsWith(segment!.kind === 'anchor' ? segment!.text : '?')).toBe(true)
    for (const { query, answer } of subject.examples!)
      expect(system).toContain(`Q: ${query}\nA: ${answer}`)
    expect(subject.isRight('nothing', subject.test[0]!)).toBe(false)
  })

  it('have prompts with exactly three examples at their end', () => {
    const examples = 'Q: a\nA: b\nQ: c\nA: d\nQ: e\nA: f'
    expect(promptOf(`text\nExamples:\n${examples}`)).toMatchObject({
      text: 'text',
      examples: [
        { query: 'a', answer: 'b' },
        { query: 'c', answer: 'd' },
        { query: 'e', answer: 'f' },
      ],
    })
    expect(promptOf('text')).toBeNull()
    expect(promptOf('text\nExamples:\nQ: a\nA: b')).toBeNull()
    expect(promptOf(`text\nExamples:\n${examples}\nTicket 1234`)).toBeNull()
  })

  it('show the first exchanges of a cell where a prompt has no examples of its own', () => {
    const train = subject.train(0)
    const { examples, shownIds } = shownExamples({ examples: null }, train)
    expect(examples.map(({ query }) => query)).toEqual(train.slice(0, 3).map(({ query }) => query))
    expect([...shownIds]).toEqual(train.slice(0, 3).map(({ id }) => id))
  })
})

const rowLines = (name: string, count: number): string =>
  Array.from({ length: count }, (_, at) => {
    const plan = at % 2 === 0 ? 'gold' : 'free'
    const meta = { id: `${name}-${at}`, slots: { plan }, alt_answers: ['either'] }
    const query = `${name} question number ${at} about a thing`
    return JSON.stringify({ query, answer: `desk ${plan}`, meta })
  }).join('\n')

describe('a task folder', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'paper-task-'))
    const rules = Array.from({ length: 8 }, (_, at) => `Rule ${at}: things go to desk ${at}.`)
    const content = `You answer for a shop.\n${rules.join('\n')}\nThe customer has plan {{plan}}.`
    const messages = [
      { role: 'system', content },
      { role: 'user', content: '{{query}}' },
    ]
    writeFileSync(join(folder, 'prefix.json'), JSON.stringify({ messages }))
    writeFileSync(join(folder, 'train.jsonl'), rowLines('train', 120))
    writeFileSync(join(folder, 'valid.jsonl'), `${rowLines('valid', 9)}\n${rowLines('train', 1)}`)
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('gets its template from the detector, with the slot that the answer depends on', () => {
    const subject = taskSubject(folder, 9)
    expect(subject.name).toBe(basename(folder))
    expect(subject.test).toHaveLength(9)
    const messages = studentMessages(subject.test[1]!.match, EMPTY_PROMPT)
    expect(messages).toHaveLength(1)
    expect(messages[0]!.content).toMatch(/: free\nvalid question number 1 about a thing$/)
    expect(subject.examples).toBeNull()
  })

  it('trains on no question that it tests, and takes the alternative answers', () => {
    const subject = taskSubject(folder, 100)
    expect(subject.test).toHaveLength(10)
    expect(subject.train(0)).toHaveLength(119)
    expect(subject.train(0)).not.toEqual(subject.train(1))
    const [first] = subject.test
    for (const [answer, isRight] of [
      ['desk gold', true],
      ['either', true],
      ['desk free', false],
    ] as const)
      expect(subject.isRight(answer, first!)).toBe(isRight)
  })
})
