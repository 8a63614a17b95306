/** Facts of an answer against those of the logged answer and of the request. */
import type { Language } from '../answer/answer-rules.ts'
import type { Atom, Facts } from './atom.ts'
import { factsOf, readOf, type ReadText } from './facts.ts'
import { languageOf } from './languages.ts'
import { negationDifferences, type NegationDifference } from './negations.ts'
import { Support } from './support.ts'

export interface FactsComparison {
  /** atoms of the answer that neither the logged answer nor the request states */
  inventions: Atom[]
  /** atoms of the logged answer that the answer does not state: for a judge, no loss by themselves */
  omissions: Atom[]
  negations: NegationDifference[]
  /** false where a language is unknown, or the two differ */
  isNegationWatched: boolean
  /** an invention, or a negation that differs */
  isLoss: boolean
}

interface Texts {
  answer: string
  logged: string
  /** text of all messages */
  request: string | ReadText
}

/** Of the first text that shows one: a short answer has too few words. */
const sharedLanguage = (texts: readonly string[]): Language | null => {
  for (const text of texts) {
    const language = languageOf(text)
    if (language !== null) return language
  }
  return null
}

/** The rule of the gate: what is in neither is a loss, whatever a judge says. */
export const compareFacts = ({ answer, logged, request }: Texts): FactsComparison => {
  const asked = readOf(request)
  const language = sharedLanguage([answer, logged, asked.text])
  const ours = factsOf(answer, language)
  const theirs = factsOf(logged, language)
  const support = new Support(theirs, asked.facts(language))
  const inventions = support.missing(ours.atoms)
  const isNegationWatched = ours.language !== null && ours.language === theirs.language
  const negations = isNegationWatched ? negationDifferences(ours.clauses, theirs.clauses) : []
  return {
    inventions,
    omissions: new Support(ours).missing(theirs.atoms),
    negations,
    isNegationWatched,
    isLoss: inventions.length + negations.length > 0,
  }
}

/** Negated clauses as atoms: the stem of what is negated; empty for a predicate such as "declined". */
export const negationAtoms = ({ clauses }: Pick<Facts, 'clauses'>): Atom[] =>
  clauses
    .filter(({ isNegated }) => isNegated)
    .map(({ head = '' }) => ({ kind: 'negation', form: head }))
