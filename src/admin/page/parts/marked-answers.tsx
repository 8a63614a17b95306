/** Two answers side by side, with the words marked in which they differ. */
import { diffWordsWithSpace, type ChangeObject } from 'diff'
import { Rest } from './text.tsx'
import { cutText, visibleText } from './visible-text.ts'

/** Of each answer. */
const MAX_CHARS = 1200
/** Beyond it two texts have little in common, and all of both is another text. */
const MAX_EDITS = 400

export interface Side {
  /** whose answer it is */
  name: string
  text: string
  /** address of the whole text; null: there is none */
  whole: string | null
}

type Change = Pick<ChangeObject<string>, 'value' | 'added' | 'removed'>

/** @returns the words of both texts in order; each text as one change when they differ too much */
export const changesOf = (one: string, other: string): Change[] =>
  diffWordsWithSpace(one, other, { maxEditLength: MAX_EDITS }) ?? [
    { value: one, added: false, removed: true },
    { value: other, added: true, removed: false },
  ]

interface ShownSideProps {
  side: Side
  rest: number
  changes: Change[]
  /** which of the changes are of this side */
  mark: 'added' | 'removed'
}

const ShownSide = ({ side, rest, changes, mark }: ShownSideProps) => {
  const other = mark === 'added' ? 'removed' : 'added'
  return (
    <div>
      <small>{side.name}</small>
      <bdi class="text">
        {changes
          .filter((change) => !change[other])
          .map((change) => {
            if (!change[mark]) return change.value
            return mark === 'added' ? <ins>{change.value}</ins> : <del>{change.value}</del>
          })}
      </bdi>
      <Rest rest={rest} whole={side.whole} />
    </div>
  )
}

interface MarkedAnswersProps {
  prompted: Side
  adapted: Side
  /** of each answer that are shown */
  chars?: number
}

/** Marked as a correction: what `adapted` has is taken out, and what `prompted` has is put in. */
export const MarkedAnswers = ({ prompted, adapted, chars = MAX_CHARS }: MarkedAnswersProps) => {
  const [one, other] = [cutText(prompted.text, chars), cutText(adapted.text, chars)]
  const changes = changesOf(visibleText(other.text), visibleText(one.text))
  return (
    <div class="sides">
      <ShownSide side={prompted} rest={one.rest} changes={changes} mark="added" />
      <ShownSide side={adapted} rest={other.rest} changes={changes} mark="removed" />
    </div>
  )
}
