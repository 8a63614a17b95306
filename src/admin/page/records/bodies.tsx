/** What was asked and answered, message by message. Pure. */
import type { Child } from 'hono/jsx'
import { counted } from '../parts/format.ts'
import { Line, Text } from '../parts/text.tsx'
import type { Dialect } from '../../../openai/dialect.ts'
import { readAnswer, readRequest, type ShownAnswer, type ShownMessage } from './read-bodies.ts'

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

export interface BodyProps {
  /** '' or null: the log has none */
  body: string | null
  dialect: Dialect
  /** address of the whole text */
  wholeAt: string
}

export const Request = ({ body, dialect, wholeAt }: BodyProps) => {
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

export const Answer = ({ body, dialect, wholeAt }: BodyProps) => {
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
