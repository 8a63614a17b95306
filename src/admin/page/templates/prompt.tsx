/** The messages of a template with its anchors, slots, examples and query marked. */
import type { Segment, Template, TemplateMessage } from '../../../core/template/template.ts'
import { whole } from '../../../core/figure-text.ts'
import { Line, Text } from '../parts/text.tsx'

/** of all anchors that are shown */
const MAX_CHARS = 20_000
/** what a mark counts, so that their number is bounded too */
const MARK_CHARS = 40

const sizeOf = (segment: Segment): number =>
  segment.kind === 'anchor' ? segment.text.length : MARK_CHARS

export interface CutPrompt {
  messages: TemplateMessage[]
  /** characters that are left out, marks included */
  rest: number
}

/** The beginning of a template. @param chars that may be shown */
export const cutPrompt = (messages: readonly TemplateMessage[], chars: number): CutPrompt => {
  let left = chars
  let rest = 0
  const shown = messages.map(({ role, segments }) => ({
    role,
    segments: segments.flatMap((segment): Segment[] => {
      const size = sizeOf(segment)
      const room = left
      left = Math.max(0, left - size)
      if (size <= room) return [segment]
      rest += size - (segment.kind === 'anchor' ? room : 0)
      return segment.kind === 'anchor' && room > 0
        ? [{ ...segment, text: segment.text.slice(0, room) }]
        : []
    }),
  }))
  return { messages: shown, rest }
}

const SegmentText = ({ segment }: { segment: Segment }) => {
  switch (segment.kind) {
    case 'anchor':
      return <Text text={segment.text} chars={MAX_CHARS} />
    case 'slot':
      return (
        <mark class="slot">
          <b>slot</b> {segment.name}
          {segment.kept ? '' : ' (left out)'}
        </mark>
      )
    case 'examples':
      return (
        <mark class="examples">
          <b>examples</b> {segment.name}
        </mark>
      )
    case 'query':
      return (
        <mark class="query">
          <b>query</b>
        </mark>
      )
  }
}

const Legend = () => (
  <ul class="legend">
    <li>unmarked: the same in every request; internalizing removes it</li>
    <li>
      <mark class="slot">
        <b>slot</b>
      </mark>{' '}
      a short value that the application fills in
    </li>
    <li>
      <mark class="examples">
        <b>examples</b>
      </mark>{' '}
      examples that differ from request to request
    </li>
    <li>
      <mark class="query">
        <b>query</b>
      </mark>{' '}
      the text of the end user, never removed
    </li>
  </ul>
)

/** @param wholeAt address of the whole text */
export const Prompt = ({ template, wholeAt }: { template: Template; wholeAt: string }) => {
  const { messages, rest } = cutPrompt(template.messages, MAX_CHARS)
  return (
    <>
      <Legend />
      {messages.map(({ role, segments }) => (
        <>
          <h3>
            <Line text={role} chars={40} />
          </h3>
          <div class="prompt">
            {segments.map((segment) => (
              <SegmentText segment={segment} />
            ))}
          </div>
        </>
      ))}
      <p>
        {rest > 0 && `${whole(rest)} more characters are not shown. `}
        <a href={wholeAt} hx-boost="false">
          The whole prompt as plain text
        </a>
      </p>
    </>
  )
}

const placeholderOf = (segment: Segment): string => {
  switch (segment.kind) {
    case 'anchor':
      return segment.text
    case 'slot':
      return `{slot ${segment.name}${segment.kept ? '' : ', left out'}}`
    case 'examples':
      return `{examples ${segment.name}}`
    case 'query':
      return '{query}'
  }
}

export const messageAsText = ({ segments }: Pick<TemplateMessage, 'segments'>): string =>
  segments.map(placeholderOf).join('')

/** The whole template, with the names of its variable parts in braces. */
export const promptAsText = ({ messages }: Template): string =>
  messages.map((message) => `${message.role}:\n${messageAsText(message)}\n`).join('\n')
