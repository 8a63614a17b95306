/** One record: its figures, and what was asked and answered. Pure. */
import type { Child } from 'hono/jsx'
import { counted, milliseconds, usd, whole } from '../../../core/figure-text.ts'
import { Line, Text } from '../parts/text.tsx'
import { dialectOfRecord, type Dialect } from '../../../openai/dialect.ts'
import { readAnswer, readRequest, type ShownAnswer, type ShownMessage } from './read-bodies.ts'
import type { Feedback } from '../../../core/log/feedback.ts'
import type { StoredRecord } from '../../../core/log/record.ts'
import type { PairOutcome, Rating, StoredPair } from '../../../core/rollout/pair.ts'
import { tokenCounts } from '../../../openai/usage/usage.ts'
import { recordPath, withQuery } from '../address.ts'
import { BASE } from '../env.ts'
import { Figures, Time, type FigureProps } from '../parts/figures.tsx'
import { TemplateLink, type Names } from '../links.tsx'
import { Outcome } from './outcome.tsx'

const Message = ({ message, wholeAt }: { message: ShownMessage; wholeAt: string }) => (
  <>
    <h3>
      <Line text={message.role === '' ? 'no role' : message.role} chars={40} />
    </h3>
    {message.texts.map((text) => (
      <div class="prompt">
        <Text text={text} whole={wholeAt} />
      </div>
    ))}
    {message.others !== '' && <Json text={message.others} wholeAt={wholeAt} />}
  </>
)

const Json = ({ text, wholeAt }: { text: string; wholeAt: string }) => (
  <pre tabindex={0}>
    <Text text={text} whole={wholeAt} />
  </pre>
)

const Others = ({ text, wholeAt }: { text: string; wholeAt: string }) =>
  text === '' ? null : (
    <>
      <h3>Other fields</h3>
      <Json text={text} wholeAt={wholeAt} />
    </>
  )

const PlainText = ({ href, children }: { href: string; children?: Child }) => (
  <p>
    <a href={href} hx-boost="false">
      {children}
    </a>
  </p>
)

/** A body that cannot be taken apart, as it was sent. */
const Unread = ({ body, wholeAt }: { body: string; wholeAt: string }) => (
  <div class="prompt">
    <Text text={body} chars={4000} whole={wholeAt} />
  </div>
)

interface BodyProps {
  /** '' or null: the log has none */
  body: string | null
  dialect: Dialect
  /** address of the whole text */
  wholeAt: string
}

const Request = ({ body, dialect, wholeAt }: BodyProps) => {
  if (body === null || body === '')
    return <p class="empty">The log no longer has it, or it was too long to log.</p>
  const shown = readRequest(body, dialect)
  return (
    <>
      {shown === null ? (
        <Unread body={body} wholeAt={wholeAt} />
      ) : (
        <>
          {shown.first.map((message) => (
            <Message message={message} wholeAt={wholeAt} />
          ))}
          {shown.hidden > 0 && <p class="cut">… {counted(shown.hidden, 'further message')} …</p>}
          {shown.last.map((message) => (
            <Message message={message} wholeAt={wholeAt} />
          ))}
          <Others text={shown.others} wholeAt={wholeAt} />
        </>
      )}
      <PlainText href={wholeAt}>The whole request as plain text</PlainText>
    </>
  )
}

const Choices = ({ choices, wholeAt }: { choices: ShownAnswer['choices']; wholeAt: string }) => (
  <>
    {choices.map((choice) => (
      <>
        <Message message={choice} wholeAt={wholeAt} />
        {choice.finishReason !== '' && (
          <p>
            Ended by: <Line text={choice.finishReason} chars={40} />
          </p>
        )}
      </>
    ))}
  </>
)

const Answer = ({ body, dialect, wholeAt }: BodyProps) => {
  if (body === null || body === '')
    return <p class="empty">There was none, or the log no longer has it.</p>
  const shown = readAnswer(body, dialect)
  return (
    <>
      {shown === null ? (
        <Unread body={body} wholeAt={wholeAt} />
      ) : (
        <>
          <Choices choices={shown.choices} wholeAt={wholeAt} />
          <Others text={shown.others} wholeAt={wholeAt} />
        </>
      )}
      <PlainText href={wholeAt}>The whole answer as plain text</PlainText>
    </>
  )
}

export interface LoadedRecord {
  record: StoredRecord
  /** what the upstream charged; null: nothing, or not known */
  chargeUsd: number | null
  feedback: Feedback[]
  /** null: not audited, or not judged yet */
  pair: StoredPair | null
  names: Names
}

const tokens = (count: number | null): string => (count === null ? 'not reported' : whole(count))

const tokenFigures = ({ usage }: StoredRecord): FigureProps[] => {
  if (usage === null) return [{ name: 'Tokens', value: 'not reported' }]
  const { input, output, cachedInput } = tokenCounts(usage)
  return [
    {
      name: 'Prompt tokens',
      value: tokens(input),
      note: cachedInput === null ? undefined : `${whole(cachedInput)} from the provider's cache`,
    },
    { name: 'Answer tokens', value: tokens(output) },
  ]
}

const routeFigures = ({ route }: StoredRecord): FigureProps[] =>
  route === null
    ? []
    : [
        { name: 'Small model', value: <Line text={route.lora} chars={40} /> },
        ...(route.reason === null
          ? []
          : [
              {
                name: 'Reason',
                value: <code>{route.reason}</code>,
                note: 'as in headers and metrics',
              },
            ]),
        ...(route.confidence === null
          ? []
          : [{ name: 'Confidence', value: route.confidence.toFixed(4), note: 'log-probability' }]),
        ...(route.outcome === 'answered'
          ? [{ name: 'Prompt tokens saved', value: whole(route.promptTokensSaved) }]
          : []),
      ]

const boughtFigures = ({ bought }: StoredRecord): FigureProps[] =>
  bought === undefined
    ? []
    : [
        { name: 'Bought (UTC)', value: <Time at={bought.at} /> },
        {
          name: 'Request of',
          value: <a href={recordPath(bought.of)}>the record that was sent again</a>,
        },
      ]

const chargeText = ({ record, chargeUsd }: LoadedRecord): string => {
  if (record.route?.outcome === 'answered') return usd(0)
  return chargeUsd === null ? 'not known' : usd(chargeUsd)
}

const figuresOf = (loaded: LoadedRecord): FigureProps[] => {
  const { record } = loaded
  const { at, model, tenant, status, durationMs, firstByteMs, templateVersion } = record
  return [
    { name: 'Time (UTC)', value: <Time at={at} /> },
    { name: 'Model', value: <Line text={model} chars={60} /> },
    { name: 'Status', value: String(status), note: record.streamed ? 'streamed' : undefined },
    {
      name: 'Duration',
      value: milliseconds(durationMs),
      note: firstByteMs === null ? undefined : `first byte after ${milliseconds(firstByteMs)}`,
    },
    ...tokenFigures(record),
    { name: 'Charge of the upstream', value: chargeText(loaded) },
    {
      name: 'Template',
      value:
        templateVersion === null ? (
          'none'
        ) : (
          <TemplateLink version={templateVersion} names={loaded.names} />
        ),
    },
    { name: 'Route', value: <Outcome record={record} /> },
    ...routeFigures(record),
    ...boughtFigures(record),
    { name: 'Tenant', value: <Line text={tenant} chars={40} /> },
    { name: 'Path', value: <Line text={record.path} chars={60} /> },
  ]
}

const PAIR_WORDS: Record<PairOutcome, string> = {
  agreed: 'the small model gave the same answer',
  disagreed: 'the small model gave another answer',
  'upstream-differs':
    'the small model gave another answer, and so did the upstream when it was asked again',
  'second-agrees':
    'the small model gave another answer, and the upstream gave the same one when it was asked again',
  'draft-agreed': 'the small model gave the same answer, but was not sure enough to send it',
  'draft-disagreed': 'the small model gave another answer, and was not sure enough to send it',
  withheld: 'its route no longer gives this answer, or none to such requests',
  fallback: 'the small model had no answer',
  refused: 'the upstream refused the next turn, which continued an answer of the small model',
  unusable: 'there was nothing to compare',
}

const RATING_WORDS: Record<Rating, string> = {
  lora: 'the small model’s answer is right',
  upstream: "the upstream's answer is right",
  both: 'both answers are right',
  neither: 'neither answer is right',
}

const PairText = ({ outcome, rating }: StoredPair) => (
  <p>
    Audited: {PAIR_WORDS[outcome]}.
    {rating !== null && ` Blind rating by a person: ${RATING_WORDS[rating]}.`}
  </p>
)

const FeedbackText = ({ by, rating, comment, at }: Feedback) => (
  <p>
    {by === 'admin' ? 'A person' : 'The application'} rated the answer {rating} on <Time at={at} />
    {comment !== null && (
      <>
        : <Line text={comment} chars={300} />
      </>
    )}
  </p>
)

export const RecordView = ({ loaded }: { loaded: LoadedRecord }) => {
  const { record, feedback, pair } = loaded
  const path = recordPath(record.id)
  const dialect = dialectOfRecord(record)
  const [request, response] = [`${path}/request.txt`, `${path}/response.txt`]
  return (
    <>
      <Figures figures={figuresOf(loaded)} />
      <p>
        <a href={withQuery(`${BASE}/records`, { conversation: record.id })}>Its conversation</a>
      </p>
      {pair !== null && <PairText {...pair} />}
      {feedback.map((given) => (
        <FeedbackText {...given} />
      ))}
      <h2>Request</h2>
      <Request body={record.request} dialect={dialect} wholeAt={request} />
      <h2>Answer</h2>
      <Answer body={record.response} dialect={dialect} wholeAt={response} />
      <p>
        <a href={withQuery(`${BASE}/forget`, { records: record.id })}>Forget this record</a>
      </p>
    </>
  )
}
