/** The promise of a judged route in words: who vouches for what, and what is not claimed. Knows nothing of tests. */
import { ruleNames, writtenRules, type FieldRule } from '../answer/field-rules.ts'
import { percent, points, shortPercent } from '../figure-text.ts'
import type { OutcomeFigures } from '../outcomes/outcome-figures.ts'
import { badText, differenceText } from '../outcomes/outcome-text.ts'
import { ALPHA } from '../gate/gate.ts'
import { LEAST_CAUGHT, MOST_FALSE_ALARMS, whyNotWatched, type Admission } from './admission.ts'
import { RATINGS_NEEDED, type PeopleFigures } from './people.ts'

interface PromiseFacts {
  admission: Admission
  /** of the verdict to promote, 0 to 1 */
  margin: number
  /** rules for fields of JSON; absent: none */
  fields?: readonly FieldRule[] | undefined
  /** null without ratings */
  people: PeopleFigures | null
  /** of the outcome test; null: the application reports no outcomes */
  users: Pick<OutcomeFigures, 'bad' | 'conversations' | 'interval' | 'missing'> | null
}

const CONFIDENCE = shortPercent(1 - ALPHA)

const ofJudge = ({ admission: { judge }, margin }: JudgePromise): string =>
  `Judge ${judge.model} (version ${judge.version}, rubric ${judge.rubric}) rejects at most ${points(margin)} ` +
  `more of this route's answers than of a second answer of the upstream, at ${CONFIDENCE}. An answer with a fact ` +
  "that neither the upstream's answer nor the request states counts as rejected."

/** Of JSON with written fields. @returns no sentence where whole answers are compared */
const ofFields = ({ fields = [] }: Pick<PromiseFacts, 'fields'>): string[] => {
  const written = writtenRules(fields)
  if (written.length === 0) return []
  const others = ruleNames(fields.filter((rule) => !written.includes(rule)))
  const rules = others.length === 0 ? '' : `, under the rules: ${others.join(', ')}`
  return [
    `It compares these fields of the answers: ${written.map(({ path }) => path).join(', ')}. All other fields must be ` +
      `equal${rules}.`,
  ]
}

const ofFaults = ({
  admission: { judge, faults, level },
}: Pick<PromiseFacts, 'admission'>): string => {
  const watched = faults.filter(({ isWatched }) => isWatched).map(({ fault }) => fault)
  const unwatched = faults.flatMap((figures) => {
    const why = whyNotWatched(figures, level)
    return why === null ? [] : `${figures.fault} (${why})`
  })
  const rest = unwatched.length === 0 ? '' : `; not watched: ${unwatched.join(', ')}`
  if (watched.length === 0)
    return `${judge.model} is not shown to catch ${shortPercent(LEAST_CAUGHT)} of any class of planted faults${rest}.`
  return (
    `${judge.model} catches at least ${shortPercent(LEAST_CAUGHT)} of these planted faults, of each class at ` +
    `${CONFIDENCE}: ${watched.join(', ')}${rest}.`
  )
}

const ofPeople = ({ people, margin }: PromiseFacts): string => {
  if (people === null || people.rated === 0)
    return `Nothing is claimed about people before ${RATINGS_NEEDED} ratings.`
  const rated = `${people.bad} of ${people.rated} answers that people rated blind are bad`
  if (people.result === 'proved')
    return `People: ${rated}, so at most ${shortPercent(margin)} of all are, at ${CONFIDENCE}.`
  const wanted = Math.max(RATINGS_NEEDED, people.wanted)
  return people.result === 'open'
    ? `Nothing is claimed about people before ${wanted} ratings: ${rated} so far.`
    : `Nothing is claimed about people: ${rated}, and up to ${percent(people.upperBound)} of all may be.`
}

const ofUsers = ({ users }: PromiseFacts): string => {
  if (users === null) return 'Nothing is claimed about users: the application reports no outcomes.'
  const { conversations, missing } = users
  const outcomes = conversations.lora + conversations.audit
  if (missing === null)
    return `Nothing is claimed about users: ${outcomes} outcomes do not tell how many are needed.`
  return missing > 0
    ? `Nothing is claimed about users before ${outcomes + Number(missing.toPrecision(2))} outcomes (${outcomes} so far).`
    : `Users: ${badText(users)}, a difference of ${differenceText(users)} at ${CONFIDENCE}.`
}

type JudgePromise = Pick<PromiseFacts, 'admission' | 'margin' | 'fields'>

/** What the judge alone vouches for. */
export const judgePromiseText = (promise: JudgePromise): string[] => [
  [ofJudge(promise), ...ofFields(promise)].join(' '),
  ofFaults(promise),
]

/** @returns one text for each witness */
export const promiseText = (facts: PromiseFacts): string[] => [
  ...judgePromiseText(facts),
  ofPeople(facts),
  ofUsers(facts),
]

/** What is known of a judge that vouches for nothing. @returns sentences */
export const admissionText = (admission: Admission): string[] => {
  const { judge, falseAlarms } = admission
  const { pairs, alarms, upperBound } = falseAlarms
  return [
    `Judge ${judge.model} (version ${judge.version}, rubric ${judge.rubric}) rejects ${alarms} of ${pairs} second ` +
      `answers of the upstream, and at most ${percent(upperBound)} of all; ${percent(MOST_FALSE_ALARMS)} are allowed.`,
    ofFaults({ admission }),
  ]
}
