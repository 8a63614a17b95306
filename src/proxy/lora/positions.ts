/**
 * The position of a request in the traffic of its template, which decides between the lora, the upstream and
 * an audit. Each conversation draws its own, so the audited ones are a sample of the traffic, also where one
 * question is asked again and again.
 */
import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Match } from '../../core/template/template.ts'

/** Conversations that are remembered; each takes some 150 bytes. */
const MAX_CONVERSATIONS = 20_000

/** What stays the same over the turns of a conversation. */
const openingOf = (tenant: string, { template, query }: Match): string =>
  hash('sha256', `${tenant}\n${template.version}\n${query}`, 'base64')

const UINT32 = 2 ** 32

/** A position that needs no memory: after a restart, and at another proxy, all later turns have the same. */
const hashedPosition = (opening: string): number =>
  Buffer.from(opening, 'base64').readUInt32LE(0) / UINT32

/** @returns in [0, 1), the same for all turns of a conversation */
export type PositionOf = (tenant: string, match: Match) => number

/** @param random uniform in [0, 1) */
export const createPositions = (random: () => number): PositionOf => {
  const known = new LRUCache<string, number>({ max: MAX_CONVERSATIONS })
  return (tenant, match) => {
    if (match.template.maxTurnsAfter === 0) return random()
    const opening = openingOf(tenant, match)
    if (match.turns.length > 0) return known.get(opening) ?? hashedPosition(opening)
    const position = random()
    known.set(opening, position)
    return position
  }
}
