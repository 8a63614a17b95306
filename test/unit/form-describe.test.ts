import { describe, expect, it } from 'vitest'
import { describeForm } from '../../src/core/form/describe-form.ts'
import { findForm } from '../../src/core/form/find-form.ts'
import type { Form } from '../../src/core/form/form.ts'
import { grammarRows } from '../kit/form-grammars.ts'

describe('the description of a form', () => {
  it('names each place of the answer with its kind, rules and examples', () => {
    const { form } = findForm(grammarRows('booking', 300))!
    expect(describeForm(form).map(({ examples, ...rest }) => [rest, examples.length])).toEqual([
      [{ path: 'time', kind: 'copied', rules: ['time'], isOptional: false, isList: false }, 3],
      [{ path: 'name', kind: 'copied', rules: ['identity'], isOptional: false, isList: false }, 3],
      [{ path: 'contact', kind: 'choice', rules: [], isOptional: true, isList: false }, 1],
      [
        {
          path: 'contact.phone',
          kind: 'copied',
          rules: ['digits'],
          isOptional: true,
          isList: false,
        },
        3,
      ],
      [
        {
          path: 'contact.email',
          kind: 'copied',
          rules: ['lower'],
          isOptional: true,
          isList: false,
        },
        3,
      ],
    ])
  })

  it('shows constants, labels, skeletons and members of lists', () => {
    const long = 'x'.repeat(100)
    const form: Form = {
      style: null,
      root: {
        kind: 'object',
        orders: [],
        members: [
          { name: 'version', node: { kind: 'constant', json: '2' } },
          { name: 'note', node: { kind: 'constant', json: JSON.stringify(long) } },
          {
            name: 'tags',
            node: { kind: 'set', labels: ['"a"', '"b"'], choices: [0, 1], isConditional: false },
          },
          {
            name: 'reply',
            node: {
              kind: 'choice',
              choice: 2,
              isConditional: false,
              branches: [
                { kind: 'constant', json: '"No."' },
                {
                  kind: 'text',
                  parts: [
                    'Dear ',
                    {
                      kind: 'copied',
                      field: 0,
                      as: 'string',
                      chain: ['collapsed', 'title'],
                      otherwise: null,
                      context: { rows: 0, words: {} },
                      examples: ['Anna'],
                    },
                    '!',
                  ],
                },
              ],
            },
          },
        ],
      },
    }
    const single = { isOptional: false, isList: false }
    expect(describeForm(form)).toEqual([
      { path: 'version', kind: 'constant', rules: [], examples: ['2'], ...single },
      { path: 'note', kind: 'constant', rules: [], examples: [`${'x'.repeat(59)}…`], ...single },
      {
        path: 'tags',
        kind: 'set',
        rules: [],
        examples: ['a', 'b'],
        isOptional: false,
        isList: true,
      },
      { path: 'reply', kind: 'choice', rules: [], examples: ['No.', 'Dear …!'], ...single },
      {
        path: 'reply#2{1}',
        kind: 'copied',
        rules: ['collapsed', 'title'],
        examples: ['Anna'],
        isOptional: true,
        isList: false,
      },
    ])
  })
})
