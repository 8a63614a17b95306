/** The table of docs/privacy.md is that of the code. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  PROVIDER_TERMS,
  type KindTerms,
  type ProviderTerms,
} from '../src/core/terms/provider-terms.ts'

const kindCell = ({ stance, says }: KindTerms): string => `\`${stance}\`: ${says}`

const sourceCell = ({ clause, link, version, readOn }: ProviderTerms): string => {
  const of = version === null ? '' : `, version of ${version}`
  return `[${clause}](${link})${of}${readOn === null ? '' : `; ${readOn}`}`
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

const table = (): string =>
  [
    row(['provider', 'host', 'labels and fields', 'written answers', 'clause']),
    row(['---', '---', '---', '---', '---']),
    ...PROVIDER_TERMS.map((entry) => {
      const organized = kindCell(entry.terms.organized)
      const written = kindCell(entry.terms.written)
      return row([
        entry.provider,
        entry.hosts.map((host) => `\`${host}\``).join(', '),
        organized,
        written === organized ? 'the same' : written,
        sourceCell(entry),
      ])
    }),
  ].join('\n')

describe('docs/privacy.md', () => {
  it('has the table of the code', () => {
    const page = readFileSync(new URL('../docs/privacy.md', import.meta.url), 'utf8')
    const lines = page.split('\n')
    const first = lines.findIndex((line) => line.startsWith('| provider'))
    const length = lines.slice(first).findIndex((line) => !line.startsWith('|'))
    expect(lines.slice(first, first + length).join('\n')).toBe(table())
  })
})
