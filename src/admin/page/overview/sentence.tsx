/** A sentence of the overview with its colour, and the links that sentences share. */
import type { Child } from 'hono/jsx'
import { internalizationPath, withQuery } from '../address.ts'
import type { Tone } from '../../../views/facts.ts'

export interface Sentence {
  tone: Tone
  says: Child
}

/** @param open name of the decision whose form the page opens; absent: none */
export const Look = ({ id, words, open }: { id: string; words: string; open?: string }) => (
  <a href={withQuery(internalizationPath(id), { open })}>{words}</a>
)
