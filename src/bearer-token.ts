/** The one check of a bearer token, for every API of ours that has one. */
import { createHash, timingSafeEqual } from 'node:crypto'

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/**
 * Compares digests, so that time tells neither content nor length of the token.
 * @returns whether an `authorization` header carries the token
 */
export const bearerTokenCheck = (
  token: string
): ((authorization: string | undefined) => boolean) => {
  const expected = digest(`Bearer ${token}`)
  return (authorization) => timingSafeEqual(digest(authorization ?? ''), expected)
}
