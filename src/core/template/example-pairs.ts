/**
 * Few-shot pairs that a template retrieves for each request, as messages. Their text is not constant, so
 * what tells them from turns of a real conversation are digests of the pairs that requests with other
 * examples sent.
 */
import { hash } from 'node:crypto'
import type { Template } from './template.ts'
import { itemAt } from '../lists.ts'

const DIGEST_CHARS = 16

/** @returns 96 bits of SHA-256 over both in UTF-16, which tells lone surrogates apart; base64url */
export const digestOf = (first: string, second: string): string => {
  const bytes = Buffer.from(`${first.length}\n${first}${second}`, 'utf16le')
  return hash('sha256', bytes, 'base64url').slice(0, DIGEST_CHARS)
}

/** Of a few-shot pair. */
export const pairDigest = (query: string, answer: string): string => digestOf(query, answer)

/** Indices of the user messages that an answer follows, in front of the last message. */
export const pairStarts = (roles: readonly string[]): number[] =>
  [...roles.keys()].filter(
    (at) => roles[at] === 'user' && roles[at + 1] === 'assistant' && at + 2 < roles.length
  )

/** Indices of the user messages of a template's retrieved pairs. */
export const retrievedPairs = ({ messages }: Pick<Template, 'messages'>): number[] =>
  pairStarts(messages.map(({ role }) => role)).filter((at) =>
    itemAt(messages, at).segments.some(({ kind }) => kind === 'examples')
  )
