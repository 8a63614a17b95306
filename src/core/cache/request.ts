/** What is kept of a request to compare it with its neighbours, and the order in which samples of it are joined. */
import type { Piece } from './piece.ts'

export interface KeptRequest {
  /** milliseconds since the epoch, or the place in the log where no time is known */
  at: number
  model: string
  /** model and credential: what a cache of the provider belongs to */
  place: string
  /** version of its template; null without one */
  version: string | null
  pieces: readonly Piece[]
  /** tokens of the prompt, counted by the provider or by a tokenizer; null where neither did */
  input: number | null
  /** of them, those that the provider read from its cache; null where it does not report it */
  cached: number | null
}

/** Requests of one prompt: of templates with the same text, whatever their model and tools. */
export interface Family {
  /** in the order of time */
  requests: readonly FamilyRequest[]
}

export interface FamilyRequest extends KeptRequest {
  /** at the beginning of a stretch: its predecessors are not in the sample, so it is not judged */
  isContext: boolean
}
