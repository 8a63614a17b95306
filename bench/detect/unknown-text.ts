/** What the rule costs that text which is removed must be known: requests that would match without it. */
import { compileMatcher } from '../../src/core/match/match.ts'
import type { Template, TemplateKey } from '../../src/core/template/template.ts'
import { versionName } from '../../test/kit/traffic/score.ts'
import type { StreamRow } from '../../test/kit/traffic/stream.ts'

/** The template with any short text in place of a dropped slot. */
const opened = (template: Template): Template => ({
  ...template,
  messages: template.messages.map((message) => ({
    ...message,
    segments: message.segments.map((segment) =>
      segment.kind === 'slot' && !segment.kept ? { ...segment, kept: true } : segment
    ),
  })),
})

export interface Cost {
  /** of the version that most of its requests have */
  name: string
  /** requests that match without the rule */
  requests: number
  /** of them, those that have unknown text in a removed place */
  lost: number
}

export const costOfUnknownText = (
  templates: Template[],
  rows: StreamRow[],
  key: TemplateKey
): Cost[] =>
  templates.map((template) => {
    const any = compileMatcher([opened(template)], true)
    const known = compileMatcher([template])
    const own = rows.filter(({ messages }) => any.match(key, messages) !== null)
    const lost = own.filter(({ messages }) => known.match(key, messages) === null).length
    return { name: (own[0] && versionName(own[0])) ?? 'none', requests: own.length, lost }
  })
