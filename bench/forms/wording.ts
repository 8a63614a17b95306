/**
 * Requests as people write them: each is put together from openings, frames, remarks that have nothing to do with the
 * answer, and closings, with typing errors in the words. Values are drawn from letters, so that none can be learned.
 */
import type { Draw } from '../../test/kit/form-grammars.ts'

/** Share of words with a typing error. */
const TYPO_SHARE = 0.02
const SHORTEST = 4

/** Two letters swapped, one left out, or one twice. */
const mistyped = (draw: Draw, word: string): string => {
  const at = 1 + draw.below(word.length - 2)
  const [before, letter, behind] = [word.slice(0, at), word[at]!, word.slice(at + 1)]
  return draw.one([
    `${before}${behind[0] ?? ''}${letter}${behind.slice(1)}`,
    `${before}${behind}`,
    `${before}${letter}${letter}${behind}`,
  ])
}

/** Fills `{name}`; only the words around the values have typing errors. */
export const say = (draw: Draw, frame: string, values: Record<string, string> = {}): string =>
  frame.replaceAll(/\{(\w+)\}|[a-z]+/gi, (found, name?: string) => {
    if (name !== undefined) return values[name]!
    const isMistyped = found.length >= SHORTEST && draw.chance(TYPO_SHARE)
    return isMistyped ? mistyped(draw, found) : found
  })

const SYLLABLES =
  'ba be bo da de di do fa fe ga go ha he hi ja jo ka ke ki ko la le li lo lu ma me mi mo na ne ni no pa pe po ra re ri ro sa se so ta te ti to va ve vi wa we ya yo za ze'.split(
    ' '
  )
const ENDINGS = 'n r s l m nd rt sk th ck x ng rn ll'.split(' ')

/** A word of two or three syllables with a capital letter. */
export const invented = (draw: Draw): string => {
  const syllables = Array.from({ length: 2 + draw.below(2) }, () => draw.one(SYLLABLES)).join('')
  const word = syllables + (draw.chance(0.5) ? draw.one(ENDINGS) : '')
  return word[0]!.toUpperCase() + word.slice(1)
}

export const person = (draw: Draw): string => `${invented(draw)} ${invented(draw)}`

const QUALITIES =
  'red blue green black white small large wide narrow heavy light round folding steel wooden glass cotton leather paper plastic cordless spare used new outdoor garden office kitchen travel winter'.split(
    ' '
  )
const THINGS =
  'lamps chairs desks pens mugs tents ropes bags boxes shelves clocks brushes gloves hats coats boots towels blankets knives plates bowls bottles cables plugs batteries fans heaters screens keyboards hinges screws ladders buckets hoses tiles mirrors frames curtains rugs scales'.split(
    ' '
  )

export const product = (draw: Draw): string => {
  const known = `${draw.one(QUALITIES)} ${draw.one(THINGS)}`
  return draw.chance(0.2) ? `${invented(draw)} ${draw.one(THINGS)}` : known
}

const OPENINGS = [
  '',
  'Hi,',
  'Hello,',
  'Hello there,',
  'Good morning,',
  'Good afternoon,',
  'Dear team,',
  'Dear Sir or Madam,',
  'hey',
  'Greetings,',
  'To whom it may concern:',
  'Hi all,',
]

const CLOSINGS = [
  '',
  'Thanks!',
  'Thank you very much.',
  'Best regards',
  'Kind regards',
  'cheers',
  'Looking forward to your answer.',
  'Many thanks in advance.',
  'Have a nice day!',
  'Sent from my phone',
]

/** Remarks with numbers and names that are in no answer. */
const REMARKS = [
  'We have bought from you for {small} years.',
  'I called {small} times this morning.',
  'Your colleague {other} was very friendly.',
  'It is raining here again.',
  'My neighbour {other} told me about you.',
  'I waited {small} minutes on the phone.',
  'Our office is on floor {small}.',
  'This has nothing to do with my letter of last week.',
  'I hope that you had a good weekend.',
  'There are {small} of us in the team.',
  'Sorry for the long message.',
  'Please excuse my English.',
  'I saw your advertisement on the train.',
  'The last parcel took {small} days.',
  'My daughter turned {small} yesterday.',
  'By the way, your page is hard to read.',
  '{other} sits next to me and sends greetings.',
  'We moved {small} months ago.',
  'I am in a meeting until noon.',
  'You can also tell {other}.',
]

const remark = (draw: Draw): string =>
  say(draw, draw.one(REMARKS), { small: String(2 + draw.below(28)), other: person(draw) })

/** A whole message: the sentences in their order, with remarks between them. */
export const message = (draw: Draw, sentences: readonly string[]): string => {
  const body = sentences.flatMap((sentence) =>
    draw.chance(0.3) ? [remark(draw), sentence] : [sentence]
  )
  if (draw.chance(0.3)) body.push(remark(draw))
  const parts = [say(draw, draw.one(OPENINGS)), ...body, say(draw, draw.one(CLOSINGS))]
  return parts.filter((part) => part !== '').join(draw.one([' ', ' ', '\n']))
}
