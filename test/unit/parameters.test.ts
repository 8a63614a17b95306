import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { eligibility } from '../../src/core/route/route.ts'
import { CHAT, RESPONSES, type Dialect } from '../../src/openai/dialect.ts'
import { exampleTemplate } from '../fixtures/examples.ts'

const page = readFileSync(new URL('../../docs/parameters.md', import.meta.url), 'utf8')
const rows = [...page.matchAll(/^\| (.+?) \| (.+?) \| (yes|no: `([a-z-]+)`).* \|$/gm)]

const ASKED: Record<Dialect['name'], object> = {
  chat: { model: 'm', messages: [{ role: 'user', content: 'hi' }] },
  responses: { model: 'm', input: 'hi', store: false },
}

const cases = rows.flatMap(([, chat, responses, , reason = null]) =>
  [[CHAT, chat!] as const, [RESPONSES, responses!] as const].flatMap(([dialect, cell]) =>
    cell === '–' ? [] : [{ dialect, fields: cell.replaceAll('`', ''), reason }]
  )
)

describe('docs/parameters.md', () => {
  it('lists the parameters that people ask about', () => {
    expect(rows.length).toBe(page.match(/^\| [`–]/gm)!.length)
    for (const name of [
      'n',
      'logprobs',
      'seed',
      'stop',
      'max_completion_tokens',
      'reasoning_effort',
      'verbosity',
      'service_tier',
      'prediction',
      'web_search_options',
    ])
      expect(page).toContain(`"${name}"`)
  })

  it.each(cases)('$dialect.name: $fields has the reason $reason', ({ dialect, fields, reason }) => {
    const body = { ...ASKED[dialect.name], ...(JSON.parse(fields) as object) }
    expect(eligibility(dialect.requestOf(body)!, exampleTemplate())).toBe(reason)
  })
})
