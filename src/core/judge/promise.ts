/** The promise of a judged route in words: who vouches for what, and what is not claimed. Knows nothing of tests. */
import { percent } from '../gate/figures.ts'
import { ALPHA } from '../gate/gate.ts'
import { LEAST_CAUGHT, whyNotWatched, type Admission } from './admission.ts'
import { RATINGS_NEEDED, type PeopleFigures } from './people.ts'

export interface PromiseFacts {
  admission: Admission
  /** of the verdict to promote, 0 to 1 */
  margin: number
  /** null without ratings */
  people: PeopleFigures | null
  /** outcomes that the application reported, and how many its test needs; null: it reports none */
  users: { outcomes: number; needed: number } | null
}

const points = (share: number): string => String(Math.round(1000 * share) / 10)

const CONFIDENCE = `${points(1 - ALPHA)} %`

const ofJudge = ({ admission: { judge }, margin }: PromiseFacts): string =>
  `Judge ${judge.model} (version ${judge.version}, rubric ${judge.rubric}) rejects at most ${points(margin)} points ` +
  `more of this route's answers than of a second answer of the upstream, at ${CONFIDENCE}. Answers whose facts ` +
  'differ count as rejected.'

const ofFaults = ({ admission: { judge, faults, level } }: PromiseFacts): string => {
  const watched = faults.filter(({ isWatched }) => isWatched).map(({ fault }) => fault)
  const unwatched = faults.flatMap((figures) => {
    const why = whyNotWatched(figures, level)
    return why === null ? [] : `${figures.fault} (${why})`
  })
  const rest = unwatched.length === 0 ? '' : `; not watched: ${unwatched.join(', ')}`
  return (
    `${judge.model} catches at least ${points(LEAST_CAUGHT)} % of these planted faults, of each class at ` +
    `${CONFIDENCE}: ${watched.join(', ')}${rest}.`
  )
}

const ofPeople = ({ people, margin }: PromiseFacts): string => {
  if (people === null || people.rated === 0)
    return `Nothing is claimed about people before ${RATINGS_NEEDED} ratings.`
  const rated = `${people.bad} of ${people.rated} answers that people rated blind are bad`
  if (people.result === 'proved')
    return `People: ${rated}, so at most ${points(margin)} % of all are, at ${CONFIDENCE}.`
  const wanted = Math.max(RATINGS_NEEDED, people.wanted)
  return people.result === 'open'
    ? `Nothing is claimed about people before ${wanted} ratings: ${rated} so far.`
    : `Nothing is claimed about people: ${rated}, and up to ${percent(people.upperBound)} of all may be.`
}

const ofUsers = ({ users }: PromiseFacts): string => {
  if (users === null) return 'Nothing is claimed about users: the application reports no outcomes.'
  return users.outcomes < users.needed
    ? `Nothing is claimed about users before ${users.needed} outcomes (${users.outcomes} so far).`
    : `Users: ${users.outcomes} outcomes are compared with those of the upstream's answers.`
}

/** @returns one sentence for each witness */
export const promiseText = (facts: PromiseFacts): string[] => [
  ofJudge(facts),
  ofFaults(facts),
  ofPeople(facts),
  ofUsers(facts),
]
