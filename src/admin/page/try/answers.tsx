/** Both answers beside each other, with what they took. Pure. */
import type { Child } from 'hono/jsx'
import { Badge } from '../parts/figures.tsx'
import { milliseconds, percent, whole } from '../parts/format.ts'
import { MarkedAnswers } from '../parts/marked-answers.tsx'
import { reasonText } from '../parts/reason-text.ts'
import { Table } from '../parts/table.tsx'
import { Line } from '../parts/text.tsx'
import type { Tried } from './ask-both.ts'
import type { Snippet } from './snippets.ts'

const tokens = (count: number | null): string => (count === null ? 'not reported' : whole(count))

const answeredBy = ({ route, status }: Tried): Child => {
  if (status >= 300) return <Badge tone="bad">status {status}</Badge>
  return route === 'answered' ? <Badge tone="good">the small model</Badge> : 'the upstream'
}

const whyOf = ({ route, reason }: Tried): Child => {
  if (route === null) return 'no live route matched the request'
  return reason === null ? '' : <Line text={reasonText(reason)} chars={200} />
}

const rowsOf = (route: Tried, upstream: Tried): Child[][] => {
  const both = (name: string, show: (tried: Tried) => Child): Child[] => [
    name,
    show(route),
    show(upstream),
  ]
  return [
    both('Answered by', answeredBy),
    ...(route.route === 'answered' ? [] : [['Why', whyOf(route), 'routes were bypassed']]),
    both('Latency', ({ ms }) => milliseconds(ms)),
    both('Prompt tokens', ({ promptTokens }) => tokens(promptTokens)),
    both('Answer tokens', ({ answerTokens }) => tokens(answerTokens)),
    both('Confidence', ({ confidence }) => (confidence === null ? '' : percent(confidence))),
    both('Model', ({ model }) => (model === null ? '' : <Line text={model} chars={60} />)),
  ]
}

export const BothAnswers = ({ route, upstream }: { route: Tried; upstream: Tried }) => (
  <>
    <h2>{route.text === upstream.text ? 'Both answers are equal' : 'The answers differ'}</h2>
    <div class="stack">
      <div class="panel">
        <MarkedAnswers
          prompted={{ name: 'The upstream alone', text: upstream.text, whole: null }}
          adapted={{ name: 'The live route', text: route.text, whole: null }}
        />
      </div>
      <Table
        caption="The two answers compared"
        columns={['Figure', 'Live route', 'Upstream alone']}
        rows={rowsOf(route, upstream)}
      />
    </div>
  </>
)

/** Each behind its name; the script adds a button that copies it. */
export const Snippets = ({ snippets }: { snippets: Snippet[] }) => (
  <>
    <h2>Send it from a program</h2>
    <div class="stack">
      {snippets.map(({ name, text }) => (
        <details class="action">
          <summary>{name}</summary>
          <pre tabindex={0} data-copy>
            {text}
          </pre>
        </details>
      ))}
    </div>
  </>
)
