import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  ineligibilityOf,
  KNOWN_MEMBERS,
  readMembers,
  type ReadMember,
} from '../../src/core/route/request-members.ts'
import { CHAT, RESPONSES, type Dialect } from '../../src/openai/dialect.ts'

const page = readFileSync(new URL('../../docs/parameters.md', import.meta.url), 'utf8')
const MEANING = /(kind|irrelevant|template|upstream: `([a-z-]+)`)/.source
const rows = [...page.matchAll(new RegExp(`^\\| (.+?) \\| (.+?) \\| ${MEANING} \\| .+ \\|$`, 'gm'))]

const TEMPLATE = { tools: '' }
const ASKED: Record<Dialect['name'], object> = {
  chat: { model: 'm', messages: [{ role: 'user', content: 'hi' }] },
  responses: { model: 'm', input: 'hi', store: false },
}

const cases = rows.flatMap(([, chat, responses, meaning, reason = null]) =>
  [[CHAT, chat!] as const, [RESPONSES, responses!] as const].flatMap(([dialect, cell]) =>
    cell === '–' ? [] : [{ dialect, fields: cell.replaceAll('`', ''), meaning: meaning!, reason }]
  )
)

const requestOf = (dialect: Dialect, fields: string) =>
  dialect.requestOf({ ...ASKED[dialect.name], ...(JSON.parse(fields) as object) })!

/** Without what every request has. */
const membersOf = (dialect: Dialect, fields: string): ReadMember[] =>
  readMembers(requestOf(dialect, fields), TEMPLATE).filter(
    ({ name }) => name !== 'model' && name !== 'messages'
  )

describe('docs/parameters.md', () => {
  it('has a row for every member that is told apart', () => {
    expect(rows.length).toBe(page.match(/^\| [`–]/gm)!.length)
    const listed = new Set(
      cases.flatMap(({ dialect, fields }) => membersOf(dialect, fields).map(({ name }) => name))
    )
    const missing = KNOWN_MEMBERS.filter((name) => !listed.has(name))
    expect(missing).toEqual(['model', 'messages'])
  })

  it.each(cases)(
    '$dialect.name: $fields means $meaning',
    ({ dialect, fields, meaning, reason }) => {
      const effects = membersOf(dialect, fields).map(({ effect }) => effect)
      expect(ineligibilityOf(requestOf(dialect, fields), TEMPLATE)).toBe(reason)
      if (reason === null) expect(effects.filter((effect) => effect !== meaning)).toEqual([])
      if (meaning === 'kind') expect(effects).toHaveLength(1)
    }
  )
})
