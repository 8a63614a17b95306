import { describe, expect, it } from 'vitest'
import { RESPONSES } from '../../src/openai/dialect.ts'
import { continued, previousIdIn } from '../../src/openai/responses/continue.ts'

const answer = (content: string): string =>
  JSON.stringify(
    RESPONSES.render(
      {
        id: 'resp_1',
        itemId: 'msg_1',
        created: 1,
        completed: 1,
        model: 'm',
        fingerprint: 'fp_1',
        content,
        calls: [],
        logprobs: null,
        usage: null,
      },
      {}
    )
  )

const previous = (input: unknown) => ({
  request: JSON.stringify({ model: 'm', input, store: true }),
  response: answer('card "lost"'),
})

const body = (text: string): Buffer => Buffer.from(text)

describe('a continued response', () => {
  it('has the conversation in its input, and all other bytes as they were', () => {
    const sent =
      '{ "model":"m", "temperature":1.0,\n"previous_response_id" : "resp_1",  "input": "and now?" }'
    const made = continued(body(sent), previous('where is my card?'))!.toString()
    expect(made).toBe(
      '{ "model":"m", "temperature":1.0,\n"previous_response_id" : null,  "input": [' +
        '{"role":"user","content":"where is my card?"},' +
        '{"role":"assistant","content":"card \\"lost\\""},' +
        '{"role":"user","content":"and now?"}] }'
    )
  })

  it('goes on with lists of items, as they were written', () => {
    const items = [{ role: 'user', content: [{ type: 'input_text', text: 'hi' }] }]
    const sent = '{"previous_response_id":"resp_1","input":[ {"role":"user","content":"1.0"} ]}'
    const made = JSON.parse(continued(body(sent), previous(items))!.toString()) as object
    expect(made).toEqual({
      previous_response_id: null,
      input: [
        ...items,
        { role: 'assistant', content: 'card "lost"' },
        { role: 'user', content: '1.0' },
      ],
    })
  })

  it('may ask nothing more', () => {
    const made = continued(body('{"previous_response_id":"resp_1"}'), previous([]))!.toString()
    expect(JSON.parse(made)).toEqual({
      input: [{ role: 'assistant', content: 'card "lost"' }],
      previous_response_id: null,
    })
  })

  it.each([
    ['{"model":"m","input":"hi"}', null],
    ['{"previous_response_id":null}', null],
    ['{"previous_response_id":7}', null],
    ['{"previous_response_id":"resp_1","previous_response_id":"resp_2"}', null],
    ['{"previous_\\u0072esponse_id":"resp_1"}', null],
    ['{"previous_response_id":"resp_1"} {}', null],
    ['["previous_response_id"]', null],
    ['{"input":"\\"previous_response_id\\":\\"resp_1\\""}', null],
    [' {"input":"x", "previous_response_id": "resp_1-a"} ', 'resp_1-a'],
  ])('is recognized by its id: %s', (text, id) => {
    expect(previousIdIn(body(text))).toBe(id)
  })

  it.each(['{"previous_response_id":"resp_1","input":{"role":"user"}}', '{"input":"hi"}'])(
    'is not made of %s',
    (text) => {
      expect(continued(body(text), previous('hi'))).toBeNull()
    }
  )
})
