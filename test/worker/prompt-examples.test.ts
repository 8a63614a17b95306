/** A head learns the few-shot examples of a prompt beside the logged exchanges. */
import { describe, expect, it } from 'vitest'
import {
  heldOutIds,
  validationCount,
  type InternalizationPlan,
} from '../../src/core/internalization/internalization.ts'
import type { ArmName } from '../../src/core/learn/schedule.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { slotsOf, type Template } from '../../src/core/template/template.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { ChatMessage, ChatRequest } from '../../src/openai/chat.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import { COLOURS, orderRecord, PROMPT } from '../kit/records/paint-orders.ts'
import { PLANNED_ROWS, useWorkerHarness, withFieldHeads } from './harness.ts'

const open = useWorkerHarness()

const LOGGED = 2 * PLANNED_ROWS + 12

const requestOf = ({ request }: ExchangeRecord): ChatRequest => JSON.parse(request) as ChatRequest

const questionOf = (number: number): string =>
  String(requestOf(orderRecord(number)).messages.at(-1)!.content)

/** Of logged orders, and of twelve that come never. */
const NUMBERS = [...Array(LOGGED).keys(), ...Array.from({ length: 12 }, (_, at) => 900 + at)]

interface Prompt {
  /** orders that the prompt of an order has as examples */
  examplesOf: (number: number) => number[]
  write: (examples: number[], number: number) => ChatMessage[]
}

const answerOf = (number: number): string => COLOURS[number % 6]!

const linesOf = (examples: number[], answer = answerOf): string =>
  examples.map((at) => `- "${questionOf(at)}" -> ${answer(at)}`).join('\n')

const inText: Prompt = {
  examplesOf: () => NUMBERS,
  write: (examples) => [{ role: 'system', content: `${PROMPT}\n${linesOf(examples)}` }],
}

/** Four pairs of messages, which differ from request to request. */
const retrieved: Prompt = {
  examplesOf: (number) =>
    [0, 1, 2, 3].map((at) => NUMBERS[(number * 13 + at * 29) % NUMBERS.length]!),
  write: (examples) => [
    { role: 'system', content: PROMPT },
    ...examples.flatMap((at): ChatMessage[] => [
      { role: 'user', content: questionOf(at) },
      { role: 'assistant', content: answerOf(at) },
    ]),
  ],
}

/** The same examples in the text of the prompt. */
const retrievedInText: Prompt = {
  ...retrieved,
  write(examples) {
    const items = examples.map((at) => `Q: ${questionOf(at)}\nA: ${answerOf(at)}`)
    const content = [PROMPT, 'Examples', ...items, 'Now answer.'].join('\n\n')
    return [{ role: 'system', content }]
  },
}

const recordsWith = ({ examplesOf, write }: Prompt): ExchangeRecord[] =>
  Array.from({ length: LOGGED }, (_, number) => {
    const record = orderRecord(number)
    const request = requestOf(record)
    const messages = [...write(examplesOf(number), number), request.messages.at(-1)!]
    return { ...record, request: JSON.stringify({ ...request, messages }) }
  })

interface Trained {
  plan: InternalizationPlan
  template: Template
  train: TrainingRow[]
  valid: TrainingRow[]
  said: string[]
}

const trainedWith = async (records: ExchangeRecord[], arm: ArmName): Promise<Trained> => {
  const harness = await open({ from: null, engine: { encoder: true } })
  await harness.log(records)
  const files: TrainingRow[][] = []
  const own = arm === 'field-head' ? withFieldHeads(harness.engine) : harness.engine
  const engine: Engine = {
    ...own,
    uploadRows(rows, name) {
      files.push(rows)
      return own.uploadRows(rows, name)
    },
  }
  const worker = await harness.worker(harness.deps({ engine }, { arms: [arm] }))
  await harness.runUntil(worker, () => files.length === 2)
  const [template] = await harness.store.templates.list()
  const { plan } = await harness.newest()
  const [train, valid] = files
  const said = harness.said('to learn from')
  return { plan: plan!, template: template!, train: train!, valid: valid!, said }
}

const askedIn = (rows: TrainingRow[]): unknown[] => rows.map(({ messages }) => messages[0]!.content)

const numbersOf = (ids: readonly string[]): number[] => ids.map((id) => Number(id.split('-')[1]))

describe.each([
  ['in the text of the prompt', inText],
  ['in retrieved pairs of messages', retrieved],
  ['in retrieved texts', retrievedInText],
])('few-shot examples %s', (_name, prompt) => {
  it('are rows before those of the exchanges, without a question of theirs', async () => {
    const { plan, train, valid, said } = await trainedWith(recordsWith(prompt), 'label-head')
    const numbers = numbersOf(plan.trainRecordIds)
    const validation = validationCount(numbers.length)
    const learned = numbers.slice(0, -validation)
    expect(askedIn(valid)).toEqual(numbers.slice(-validation).map(questionOf))
    expect(askedIn(train).slice(-learned.length)).toEqual(learned.map(questionOf))

    const others = new Set([...numbers, ...numbersOf(heldOutIds(plan))])
    const seen = new Set(numbers.flatMap(prompt.examplesOf))
    const expected = [...seen].filter((number) => !others.has(number))
    expect(expected.length).toBeGreaterThan(8)
    expect(seen.size - expected.length).toBeGreaterThan(8)
    expect(train.slice(0, -learned.length).map(({ messages }) => messages)).toEqual(
      expect.arrayContaining(
        expected.map((number) => [
          { role: 'user', content: questionOf(number) },
          { role: 'assistant', content: answerOf(number) },
        ])
      )
    )
    expect(train).toHaveLength(expected.length + learned.length)
    expect(said).toEqual([`${expected.length} examples of the prompt are rows to learn from`])
  })
})

const rowsOfExchanges = ({ plan: { trainRecordIds } }: Trained): number =>
  trainRecordIds.length - validationCount(trainRecordIds.length)

const jsonOf = (number: number): string =>
  JSON.stringify({ order: String(number), shelf: answerOf(number) })

const otherJsonOf = (number: number): string => JSON.stringify({ place: answerOf(number) })

const writeJson = (): ChatMessage[] => [
  {
    role: 'system',
    content: [PROMPT, linesOf([900, 901, 902, 903], jsonOf), linesOf([904, 905], otherJsonOf)].join(
      '\n'
    ),
  },
]

describe('few-shot examples', () => {
  it('are no rows for a lora', async () => {
    const trained = await trainedWith(recordsWith(inText), 'query-only')
    expect(trained.train).toHaveLength(rowsOfExchanges(trained))
    expect(trained.said).toEqual([])
  })

  it('are no rows where the prompt has a slot that is kept', async () => {
    const write = (examples: number[], number: number): ChatMessage[] => [
      { role: 'system', content: `Shop: ${['Bonn', 'Kiel', 'Ulm'][number % 3]}` },
      ...inText.write(examples, number),
    ]
    const trained = await trainedWith(recordsWith({ ...inText, write }), 'label-head')
    expect(slotsOf(trained.template).map(({ kept }) => kept)).toEqual([true])
    expect(trained.train).toHaveLength(rowsOfExchanges(trained))
  })

  it('of another form than the answers are no rows for a field head', async () => {
    const records = recordsWith({ ...inText, write: writeJson }).map((record, number) => ({
      ...record,
      response: orderRecord(number, jsonOf(number)).response,
    }))
    const trained = await trainedWith(records, 'field-head')
    expect(askedIn(trained.train).slice(0, -rowsOfExchanges(trained))).toEqual(
      [900, 901, 902, 903].map(questionOf)
    )
    expect(trained.said).toEqual(['4 examples of the prompt are rows to learn from'])
  })
})
