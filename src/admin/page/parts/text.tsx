/** Text of requests and answers: never markup, cut, with a way to see all of it. */
import { cutText, visibleText } from './visible-text.ts'
import { whole } from '../../../core/figure-text.ts'

/** of one text on a page */
const MAX_CHARS = 1200

interface RestProps {
  /** characters that are not shown */
  rest: number
  /** address of the whole text; null: there is none */
  whole: string | null
}

/** How much of a text is not shown, with a link to the whole text; nothing where all is shown. */
export const Rest = ({ rest, whole: address }: RestProps) =>
  rest === 0 ? null : (
    <span class="cut">
      {' '}
      … {whole(rest)} more characters
      {address !== null && (
        <>
          {' '}
          (
          <a href={address} hx-boost="false">
            see all
          </a>
          )
        </>
      )}
    </span>
  )

export interface TextProps {
  text: string
  chars?: number
  /** address of the whole text; without it the rest is only counted */
  whole?: string
}

export const Text = ({ text, chars = MAX_CHARS, whole: address }: TextProps) => {
  const { text: shown, rest } = cutText(text, chars)
  return (
    <>
      <bdi class="text">{visibleText(shown)}</bdi>
      <Rest rest={rest} whole={address ?? null} />
    </>
  )
}

/** A text of one line in a table. */
export const Line = ({ text, chars = 120 }: { text: string; chars?: number }) => {
  const { text: shown, rest } = cutText(text.replace(/\s+/g, ' '), chars)
  return <bdi>{`${visibleText(shown)}${rest > 0 ? ' …' : ''}`}</bdi>
}
