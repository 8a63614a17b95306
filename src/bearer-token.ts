/** The check of a bearer token, shared by all APIs that have one. */
import { createHash, timingSafeEqual } from 'node:crypto'

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/**
 * Compares digests in constant time, so that timing reveals neither content nor length of the token.
 * @returns whether an `authorization` header carries the token
 */
export const bearerTokenCheck = (
  token: string
): ((authorization: string | undefined) => boolean) => {
  const expected = digest(`Bearer ${token}`)
  return (authorization) => timingSafeEqual(digest(authorization ?? ''), expected)
}
